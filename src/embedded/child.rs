//! One server process: started so that it cannot outlive us, stopped politely and then firmly.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use std::os::unix::process::CommandExt;

use super::Error;

/// How often a process is looked at.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a server may take to end by itself.
const POLITE: Duration = Duration::from_secs(10);
/// How long a server may take to answer after its start.
const READY: Duration = Duration::from_secs(30);
/// How much of a log an error shows.
const LOG_LINES: usize = 8;

type Job = (Command, mpsc::Sender<std::io::Result<Process>>);

/// Starts processes from one thread that lives as long as we do: the kernel's parent-death signal is bound to the thread
/// that started a process, not to the process.
#[derive(Clone, Debug)]
pub(super) struct Spawner(mpsc::Sender<Job>);

impl Spawner {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let work = move || {
            for (mut command, answer) in queue {
                let _ = answer.send(command.spawn());
            }
            // Ending this thread would end the servers: it sleeps until the process does.
            loop {
                std::thread::park();
            }
        };
        let thread = std::thread::Builder::new().name("server-spawner".to_owned()).spawn(work);
        thread.map_err(|source| Error::Process { name: "server-spawner", source })?;
        Ok(Self(jobs))
    }

    fn spawn(&self, command: Command) -> std::io::Result<Process> {
        let (answer, spawned) = mpsc::channel();
        let gone = || std::io::Error::other("the spawner is gone");
        self.0.send((command, answer)).map_err(|_| gone())?;
        spawned.recv().map_err(|_| gone())?
    }
}

/// What to run and how.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The name in messages.
    pub(super) name: &'static str,
    /// The program.
    pub(super) program: &'a Path,
    /// Its arguments.
    pub(super) arguments: Vec<String>,
    /// The user to run as, if not ourselves.
    pub(super) user: Option<&'a str>,
    /// Where its output goes.
    pub(super) log: PathBuf,
    /// Where its process id is noted.
    pub(super) pid_file: PathBuf,
    /// The signal that asks it to end.
    pub(super) stop_signal: &'static str,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    name: &'static str,
    log: PathBuf,
    pid_file: PathBuf,
    stop_signal: &'static str,
}

impl Child {
    /// Starts a server.
    pub(super) fn spawn(plan: Plan<'_>, spawner: &Spawner) -> Result<Self, Error> {
        // The log of the last run is kept.
        let _ = fs::rename(&plan.log, plan.log.with_extension("log.1"));
        let output = File::create(&plan.log).map_err(Error::file(&plan.log))?;
        let errors = output.try_clone().map_err(Error::file(&plan.log))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if let Some(user) = plan.user {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.arg("--").arg(plan.program).args(&plan.arguments);
        command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
        let process = spawner.spawn(command).map_err(|source| Error::Process { name: plan.name, source })?;
        let note = format!("{} {}", process.id(), started_at(process.id()).unwrap_or_default());
        fs::write(&plan.pid_file, note).map_err(Error::file(&plan.pid_file))?;
        Ok(Self { process, name: plan.name, log: plan.log, pid_file: plan.pid_file, stop_signal: plan.stop_signal })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it ended by itself.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Waits until `probe` succeeds. A server that ends or stays silent is an error with the end of its log.
    pub(super) async fn wait_until_ready<F>(mut self, mut probe: impl FnMut() -> F) -> Result<Self, Error>
    where
        F: Future<Output = Result<(), String>>,
    {
        let deadline = Instant::now() + READY;
        loop {
            let why = match tokio::time::timeout(Duration::from_secs(2), probe()).await {
                Ok(Ok(())) => return Ok(self),
                Ok(Err(why)) => why,
                Err(_) => "no answer".to_owned(),
            };
            let ended = self.has_ended();
            if ended || Instant::now() > deadline {
                let log = log_tail(&self.log);
                let why = if ended { "it ended at once".to_owned() } else { why };
                let name = self.name;
                self.stop().await?;
                return Err(Error::NotStarted { name, why, log });
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Asks it to end, and ends it if it does not.
    pub(super) async fn stop(mut self) -> Result<(), Error> {
        let deadline = Instant::now() + POLITE;
        if !self.has_ended() {
            signal(self.pid(), self.stop_signal);
        }
        while !self.has_ended() && Instant::now() < deadline {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        if !self.has_ended() {
            tracing::warn!(name = self.name, "did not end in time and was killed");
            signal(self.pid(), "KILL");
            self.process.wait().map_err(|source| Error::Process { name: self.name, source })?;
        }
        let _ = fs::remove_file(&self.pid_file);
        Ok(())
    }
}

/// Sends a signal to a process that belongs to us.
fn signal(pid: u32, name: &str) {
    // The shell's own `kill`: the program of that name is not on every machine.
    let _ = Command::new("sh").arg("-c").arg(format!("kill -s {name} {pid}")).stderr(Stdio::null()).status();
}

/// When a process started, in the kernel's ticks: with the id, it names a process for good.
fn started_at(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command, in brackets, may hold spaces; the start time is the 20th field after it.
    stat.rsplit_once(") ")?.1.split(' ').nth(19).map(str::to_owned)
}

/// Ends the process noted in `pid_file`, if it is still the one that was noted.
pub(super) fn end_leftover(pid_file: &Path) {
    let Ok(note) = fs::read_to_string(pid_file) else { return };
    if let Some((pid, start)) = note.split_once(' ')
        && let Ok(pid) = pid.parse()
        && started_at(pid).as_deref() == Some(start)
    {
        tracing::warn!(pid, "ending a server that an earlier run left behind");
        signal(pid, "TERM");
        let deadline = Instant::now() + POLITE;
        while started_at(pid).as_deref() == Some(start) && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        if started_at(pid).as_deref() == Some(start) {
            signal(pid, "KILL");
        }
    }
    let _ = fs::remove_file(pid_file);
}

fn log_tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n")
}
