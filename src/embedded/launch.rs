//! How a process is started so that it cannot outlive us.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::run_as::RunAs;
use super::{Error, logs};

/// What is kept of our environment. Secrets that we were given in it are none of a server's business.
const ENVIRONMENT: [&str; 4] = ["PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH"];

/// A process to be.
#[derive(Debug)]
pub(super) struct Launch {
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments. Everybody on the machine can read them: no secrets.
    pub(super) arguments: Vec<OsString>,
    /// The folder it works in.
    pub(super) folder: PathBuf,
    /// Who it is.
    pub(super) run_as: RunAs,
    /// The signal it gets from the kernel when we are gone.
    pub(super) orphan_signal: &'static str,
    /// What it reads.
    pub(super) input: Option<File>,
    /// Where its output goes.
    pub(super) log: PathBuf,
}

impl Launch {
    fn command(self) -> Result<Command, Error> {
        let log = logs::open(&self.log)?;
        let errors = log.try_clone().map_err(Error::file(&self.log))?;
        let mut command = Command::new("setpriv");
        // setpriv asks for the signal last: a change of user would make the kernel forget it.
        command.arg("--pdeathsig").arg(self.orphan_signal);
        if let RunAs::Other { user, group } = self.run_as {
            command.arg("--reuid").arg(user.to_string()).arg("--regid").arg(group.to_string()).arg("--clear-groups");
        }
        command.arg("--").arg(&self.program).args(&self.arguments);
        command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.current_dir(&self.folder).stdin(self.input.map_or_else(Stdio::null, Stdio::from));
        // A group of its own: Ctrl-C in a terminal reaches us and not the servers, which we end in order.
        command.stdout(log).stderr(errors).process_group(0);
        Ok(command)
    }
}

type Job = (Command, oneshot::Sender<io::Result<Child>>);

/// The thread that starts processes. The kernel's "your parent is gone" is tied to the thread that started a process,
/// and a thread of a runtime may end before the process does; this one ends with the stack, and the servers with it.
#[derive(Debug)]
pub(super) struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    /// Starts the thread.
    pub(super) fn start() -> Result<Self, Error> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let runtime = Handle::current();
        let work = move || {
            let _entered = runtime.enter();
            for (mut command, answer) in queue {
                // Nobody waits for the answer when the start was given up; the child is then ended with this thread.
                let _ = answer.send(command.spawn());
            }
        };
        let thread = thread::Builder::new().name("embedded-servers".to_owned()).spawn(work);
        thread.map_err(|reason| Error::System { what: "starting a thread", reason })?;
        Ok(Self { jobs })
    }

    /// Starts a process.
    pub(super) async fn spawn(&self, launch: Launch) -> Result<Child, Error> {
        let missing = |reason| Error::MissingTool { program: "setpriv", package: "util-linux", reason };
        let gone = || missing(io::ErrorKind::BrokenPipe.into());
        let (answer, spawned) = oneshot::channel();
        self.jobs.send((launch.command()?, answer)).map_err(|_| gone())?;
        spawned.await.map_err(|_| gone())?.map_err(missing)
    }
}

/// Sends a signal to a process, by the shell: it has the only `kill` that is on every machine.
pub(super) fn signal(pid: u32, name: &str) {
    let mut kill = std::process::Command::new("/bin/sh");
    kill.args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &pid.to_string()]).stdin(Stdio::null());
    // Whoever sends a signal looks afterwards whether the process ends.
    let _ = kill.stdout(Stdio::null()).stderr(Stdio::null()).status();
}
