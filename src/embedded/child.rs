//! One server process that is running.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::identity::Identity;
use super::launch::{Launch, Spawner, signal};
use super::service::Service;
use super::{Error, files};

/// How often something is looked at that does not tell by itself.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a process may take to be gone after it was killed.
const KILLED: Duration = Duration::from_secs(5);

/// A server process. It is noted in a file until it is known to be gone.
#[derive(Debug)]
pub(super) struct Child {
    service: Service,
    process: tokio::process::Child,
    pid: u32,
    pid_file: PathBuf,
}

impl Child {
    /// Starts the process.
    pub(super) async fn start(
        service: Service,
        launch: Launch,
        pid_file: PathBuf,
        spawner: &Spawner,
    ) -> Result<Self, Error> {
        let process = spawner.spawn(launch).await?;
        let pid = process.id().unwrap_or_default();
        if let Ok(identity) = Identity::of(pid) {
            files::write_private(&pid_file, &format!("{identity}\n"))?;
        }
        Ok(Self { service, process, pid, pid_file })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// How it ended, if it has.
    pub(super) fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().ok().flatten()
    }

    /// Waits until it ends. May be cancelled and called again.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.process.wait().await?;
        let _ = fs::remove_file(&self.pid_file);
        Ok(status)
    }

    /// Asks it to end, ever more firmly, and kills it at last.
    pub(super) async fn stop(mut self) -> Result<(), Error> {
        for &(name, seconds) in self.service.farewell() {
            // Until it is waited for, its number cannot be given to another process.
            if self.ended().is_none() {
                signal(self.pid, name);
            }
            if let Ok(ended) = timeout(Duration::from_secs(seconds), self.wait()).await {
                return self.gone(ended);
            }
            tracing::warn!(service = %self.service, signal = name, seconds, "a server does not end");
        }
        let killed = self.process.kill().await;
        self.gone(killed)
    }

    fn gone<T>(self, outcome: io::Result<T>) -> Result<(), Error> {
        outcome.map(|_| ()).map_err(|reason| Error::System { what: "ending a server", reason })?;
        let _ = fs::remove_file(self.pid_file);
        Ok(())
    }
}

/// Ends a server of an earlier run that outlived it, if `noted` is still that process.
pub(super) async fn end_leftover(service: Service, noted: &Identity) -> Result<(), Error> {
    let firmly = [("KILL", KILLED.as_secs())];
    for &(name, seconds) in service.farewell().iter().chain(&firmly) {
        if noted.is_running() {
            tracing::warn!(%service, pid = noted.pid, signal = name, "ending a server that an earlier run left behind");
            signal(noted.pid, name);
        }
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while noted.is_running() && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
    }
    if noted.is_running() { Err(Error::Leftover { service, pid: noted.pid }) } else { Ok(()) }
}
