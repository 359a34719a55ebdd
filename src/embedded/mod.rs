//! The embedded stack: `PostgreSQL`, Redis and NATS servers of our own, on free loopback ports, in one folder.
//!
//! Owns: three child processes, their ports, passwords and data. They run in process groups of their own, so that Ctrl-C
//! reaches us alone and we stop them in order; and the kernel ends them when we die. The folder is locked while we run:
//! a second start on it is refused, and what an earlier one left behind is cleaned up. Nothing of the machine's own
//! servers is touched.

mod binaries;
mod child;
mod data_dir;
mod error;
mod nats;
mod postgres;
mod redis;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use futures::FutureExt;
use futures::future::BoxFuture;

pub use self::binaries::Binaries;
pub use self::error::Error;

use self::child::{Child, Spawner};
use self::data_dir::DataDir;

/// How much a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was acknowledged.
    Durable,
    /// Everything: for tests, which write to memory as fast as they can.
    Ephemeral,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data, ports and passwords are kept.
    pub data_dir: PathBuf,
    /// How much a crash may cost.
    pub durability: Durability,
    /// Where the servers' programs are.
    pub binaries: Binaries,
}

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The database.
    Postgres,
    /// The short memory.
    Redis,
    /// The voice.
    Nats,
}

impl Service {
    const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::Nats];

    /// Its name in messages and file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }
}

/// The servers, running.
pub struct Stack {
    data_dir: DataDir,
    options: Options,
    spawner: Spawner,
    children: [Option<Child>; 3],
    urls: [String; 3],
}

impl Stack {
    /// Starts the three servers and answers once each of them does.
    ///
    /// # Errors
    /// When a program is missing or too old, the folder is in use or of another version, or a server does not start; the
    /// error says what to do, and nothing that was there is destroyed.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let data_dir = DataDir::open(&options.data_dir)?;
        let mut stack = Self {
            data_dir,
            options,
            spawner: Spawner::start()?,
            children: [None, None, None],
            urls: Default::default(),
        };
        let (postgres, redis, nats) =
            futures::join!(stack.launch(Service::Postgres), stack.launch(Service::Redis), stack.launch(Service::Nats));
        let mut failure = None;
        for (place, launched) in [postgres, redis, nats].into_iter().enumerate() {
            match launched {
                Ok((child, url)) => {
                    stack.children[place] = Some(child);
                    stack.urls[place] = url;
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            None => Ok(stack),
            Some(error) => {
                stack.stop().await?;
                Err(error)
            }
        }
    }

    /// Boxed: the drivers' handshakes make large futures.
    fn launch(&self, service: Service) -> BoxFuture<'_, Result<(Child, String), Error>> {
        match service {
            Service::Postgres => postgres::launch(&self.data_dir, &self.options, &self.spawner).boxed(),
            Service::Redis => redis::launch(&self.data_dir, &self.options, &self.spawner).boxed(),
            Service::Nats => nats::launch(&self.data_dir, &self.options, &self.spawner).boxed(),
        }
    }

    /// The URL of the database `civiclens`, as its owner.
    pub fn database_url(&self) -> &str {
        &self.urls[0]
    }

    /// The URL of Redis.
    pub fn redis_url(&self) -> &str {
        &self.urls[1]
    }

    /// The URL of NATS.
    pub fn nats_url(&self) -> &str {
        &self.urls[2]
    }

    /// The process id of `PostgreSQL`; 0 while it is stopped.
    pub fn postgres_pid(&self) -> u32 {
        self.pid(Service::Postgres)
    }

    /// The process id of Redis; 0 while it is stopped.
    pub fn redis_pid(&self) -> u32 {
        self.pid(Service::Redis)
    }

    /// The process id of NATS; 0 while it is stopped.
    pub fn nats_pid(&self) -> u32 {
        self.pid(Service::Nats)
    }

    fn pid(&self, service: Service) -> u32 {
        self.children[service as usize].as_ref().map_or(0, Child::pid)
    }

    /// Answers the name of the first server that ends by itself.
    pub async fn child_died(&mut self) -> &'static str {
        loop {
            for service in Service::ALL {
                if self.children[service as usize].as_mut().is_some_and(Child::has_ended) {
                    return service.name();
                }
            }
            tokio::time::sleep(child::LOOK_EVERY).await;
        }
    }

    /// Stops one server, for tests of outages. Its port and data stay.
    ///
    /// # Errors
    /// When it cannot be stopped.
    pub async fn stop_service(&mut self, service: Service) -> Result<(), Error> {
        match self.children[service as usize].take() {
            Some(child) => child.stop().await,
            None => Ok(()),
        }
    }

    /// Starts one server again, on its port and with its data.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_service(&mut self, service: Service) -> Result<(), Error> {
        if self.children[service as usize].is_none() {
            let (child, url) = self.launch(service).await?;
            self.children[service as usize] = Some(child);
            self.urls[service as usize] = url;
        }
        Ok(())
    }

    /// Stops all servers, the database last.
    ///
    /// # Errors
    /// When one cannot be stopped; the others are stopped all the same.
    pub async fn stop(mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        for service in [Service::Nats, Service::Redis, Service::Postgres] {
            let stopped = self.stop_service(service).await;
            outcome = outcome.and(stopped);
        }
        outcome
    }
}
