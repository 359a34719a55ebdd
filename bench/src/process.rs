//! The processes that are measured, and what the kernel says of them.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::net::TcpStream;

/// A server process, ended when this is dropped.
pub(crate) struct Server(Child);

type Environment = [(String, String)];

fn command(program: &Path, arguments: &[&str], environment: &Environment) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.iter().map(|(key, value)| (key, value)));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

impl Server {
    /// Starts a program and waits until it listens on `address`.
    pub(crate) async fn start(
        program: &Path,
        arguments: &[&str],
        environment: &Environment,
        address: &str,
    ) -> anyhow::Result<Self> {
        let server = Self(command(program, arguments, environment).spawn()?);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).await.is_err() {
            anyhow::ensure!(Instant::now() < deadline, "{} does not listen on {address}", program.display());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }

    /// Starts a program that listens nowhere.
    pub(crate) fn start_silent(program: &Path, arguments: &[&str], environment: &Environment) -> anyhow::Result<Self> {
        Ok(Self(command(program, arguments, environment).spawn()?))
    }

    /// Asks the program to end, as Ctrl-C does, and waits until it has.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        let asked = Command::new("sh").args(["-c", &format!("kill -s INT {}", self.0.id())]).status()?;
        anyhow::ensure!(asked.success() && self.0.wait()?.success(), "a program did not end in order");
        Ok(())
    }

    /// Whether the program still runs.
    pub(crate) fn runs(&mut self) -> anyhow::Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// Runs a program to its end.
    pub(crate) fn run_to_end(program: &Path, arguments: &[&str], environment: &Environment) -> anyhow::Result<()> {
        let output = command(program, arguments, environment).stderr(Stdio::piped()).output()?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// CPU seconds so far, in user and kernel mode, of all threads: summed from the scheduler's nanoseconds.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let mut nanoseconds = 0u64;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += text.split(' ').next().context("schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
    }

    /// Resident memory.
    pub(crate) fn memory_mib(&self) -> anyhow::Result<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(f64::from(kib) / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
