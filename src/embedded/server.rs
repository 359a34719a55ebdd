//! One server of the stack: its settings, and how it is brought up.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::child::{Child, LOOK_EVERY};
use super::launch::{Launch, Spawner};
use super::run_as::RunAs;
use super::service::Service;
use super::{Durability, Error, files, logs, nats, ports, postgres, redis};

/// How long a server may take to answer; a database that recovers from a crash takes a while.
const READY: Duration = Duration::from_mins(1);
/// How long one question to it may take.
const ANSWER: Duration = Duration::from_secs(2);
/// How often a server is tried on another port when its own was taken before it could listen.
const PORTS: u32 = 3;
/// How long a database waits for the last process of one that was killed.
const MEMORY_IN_USE: Duration = Duration::from_secs(10);

/// What a server says when it is asked.
#[derive(Debug)]
pub(super) enum Answer {
    /// It is there.
    Ready,
    /// It may be there soon.
    NotYet(String),
    /// It is there and will never be what we want.
    Never(String),
}

/// A server of the stack.
#[derive(Debug)]
pub(super) struct Server {
    /// Which one.
    pub(super) service: Service,
    /// The program.
    pub(super) program: PathBuf,
    /// Its folder.
    pub(super) folder: PathBuf,
    /// Who it runs as.
    pub(super) run_as: RunAs,
    /// The password of its clients.
    pub(super) password: String,
    /// What a crash of the machine may cost.
    pub(super) durability: Durability,
    /// Where it listens on 127.0.0.1.
    pub(super) port: u16,
    /// Its log.
    pub(super) log: PathBuf,
    /// Where its process is noted.
    pub(super) pid_file: PathBuf,
    /// Where its port is noted.
    pub(super) port_file: PathBuf,
}

impl Server {
    /// Starts it and waits until it answers. A port that is taken is given up for another one.
    pub(super) async fn start_anywhere(&mut self, spawner: &Spawner) -> Result<Child, Error> {
        let mut attempt = 1;
        loop {
            match self.start(spawner).await {
                Err(Error::PortTaken { port, .. }) if attempt < PORTS => {
                    self.port = ports::choose(None, &[port])?;
                    attempt += 1;
                }
                Err(error) => return Err(error),
                Ok(child) => {
                    files::write_private(&self.port_file, &format!("{}\n", self.port))?;
                    return Ok(child);
                }
            }
        }
    }

    /// Starts it on its port and waits until it answers.
    pub(super) async fn start(&self, spawner: &Spawner) -> Result<Child, Error> {
        let deadline = Instant::now() + MEMORY_IN_USE;
        loop {
            match self.attempt(spawner).await {
                // The processes of a database outlive it by a moment when it was killed.
                Err(error)
                    if error.log_tail().contains("pre-existing shared memory block") && Instant::now() < deadline =>
                {
                    sleep(LOOK_EVERY * 5).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt(&self, spawner: &Spawner) -> Result<Child, Error> {
        let log_start = logs::length(&self.log);
        let launch = self.launch()?;
        let mut child = Child::start(self.service, launch, self.pid_file.clone(), spawner).await?;
        match self.wait_until_ready(&mut child, log_start).await {
            Ok(()) => Ok(child),
            Err(error) => {
                child.stop().await?;
                Err(error)
            }
        }
    }

    async fn wait_until_ready(&self, child: &mut Child, log_start: u64) -> Result<(), Error> {
        let deadline = Instant::now() + READY;
        loop {
            let answer = timeout(ANSWER, self.ask()).await;
            if let Some(status) = child.ended() {
                let tail = logs::tail(&self.log, log_start);
                if tail.to_lowercase().contains("address already in use") {
                    return Err(Error::PortTaken { service: self.service, port: self.port });
                }
                let what = format!("starting {}", self.service);
                return Err(Error::Ended { what, status, log_name: self.log_name(), tail });
            }
            let why = match answer {
                Ok(Answer::Ready) => return Ok(()),
                Ok(Answer::NotYet(why)) => why,
                Ok(Answer::Never(why)) => return Err(self.not_ready(why, log_start)),
                Err(_) => "no answer".to_owned(),
            };
            if Instant::now() > deadline {
                return Err(self.not_ready(why, log_start));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    fn not_ready(&self, why: String, log_start: u64) -> Error {
        let tail = logs::tail(&self.log, log_start);
        Error::NotReady { service: self.service, why, log_name: self.log_name(), tail }
    }

    fn log_name(&self) -> String {
        self.log.display().to_string()
    }

    fn launch(&self) -> Result<Launch, Error> {
        let arguments = match self.service {
            Service::Postgres => postgres::arguments(self),
            Service::Redis => redis::configure(self)?,
            Service::Nats => nats::configure(self)?,
        };
        Ok(Launch {
            program: self.program.clone(),
            arguments,
            folder: self.folder.clone(),
            run_as: self.run_as,
            orphan_signal: self.service.farewell().first().map_or("TERM", |(name, _)| name),
            input: None,
            log: self.log.clone(),
        })
    }

    async fn ask(&self) -> Answer {
        match self.service {
            Service::Postgres => postgres::ask(self).await,
            Service::Redis => redis::ask(self).await,
            Service::Nats => nats::ask(self).await,
        }
    }

    /// Where clients find it, with the password.
    pub(super) fn url(&self) -> String {
        let Self { password, port, .. } = self;
        match self.service {
            Service::Postgres => format!("postgres://civiclens:{password}@127.0.0.1:{port}/civiclens"),
            Service::Redis => format!("redis://:{password}@127.0.0.1:{port}"),
            Service::Nats => format!("nats://civiclens:{password}@127.0.0.1:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::embedded::Binaries;
    use crate::embedded::tests::Folder;

    #[actix::test]
    async fn a_port_that_is_taken_before_the_server_listens_is_given_up() {
        let folder = Folder::new("taken");
        let programs = Binaries::default().find(folder.path(), None).await.unwrap();
        let spawner = Spawner::start().unwrap();
        for (service, program) in [(Service::Redis, programs.redis_server), (Service::Nats, programs.nats_server)] {
            let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let port = taken.local_addr().unwrap().port();
            let mut server = Server {
                service,
                program,
                folder: folder.path().to_owned(),
                run_as: RunAs::Ourselves,
                password: "0".to_owned(),
                durability: Durability::Ephemeral,
                port,
                log: folder.path().join("log"),
                pid_file: folder.path().join("pid"),
                port_file: folder.path().join("port"),
            };
            assert!(matches!(server.start(&spawner).await, Err(Error::PortTaken { .. })), "its own port or none");
            let child = server.start_anywhere(&spawner).await.unwrap();
            assert_ne!(server.port, port);
            assert_eq!(std::fs::read_to_string(&server.port_file).unwrap(), format!("{}\n", server.port));
            child.stop().await.unwrap();
        }
    }
}
