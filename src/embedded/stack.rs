//! The three servers, together.

use std::future::pending;
use std::path::PathBuf;

use super::binaries::Programs;
use super::child::Child;
use super::data_dir::DataDir;
use super::home::Home;
use super::launch::Spawner;
use super::passwords::Passwords;
use super::postgres_init::Making;
use super::run_as::RunAs;
use super::server::Server;
use super::service::Service;
use super::{Error, Options, files, leftovers, logs, ports};

/// A server and, while it runs, its process.
#[derive(Debug)]
struct Slot {
    server: Server,
    url: String,
    child: Option<Child>,
}

impl Slot {
    fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::pid)
    }

    async fn start_anywhere(&mut self, spawner: &Spawner) -> Result<(), Error> {
        self.child = Some(self.server.start_anywhere(spawner).await?);
        self.url = self.server.url();
        Ok(())
    }

    async fn stop(&mut self) -> Result<(), Error> {
        match self.child.take() {
            Some(child) => child.stop().await,
            None => Ok(()),
        }
    }

    /// Waits for its end. A server that was stopped does not end.
    async fn died(&mut self) -> Service {
        match &mut self.child {
            Some(child) => {
                let ended = child.wait().await;
                tracing::error!(service = %self.server.service, ?ended, "a server ended by itself");
                self.child = None;
                self.server.service
            }
            None => pending().await,
        }
    }
}

/// The three servers, running. When it is dropped instead of stopped, they are told to end and not waited for.
#[derive(Debug)]
pub struct Stack {
    postgres: Slot,
    redis: Slot,
    nats: Slot,
    spawner: Spawner,
    _home: Home,
    _dir: DataDir,
}

impl Stack {
    /// Starts the servers, and is ready when each of them answers. Servers of an earlier run are ended first; its data
    /// and, while they are free, its ports are kept.
    ///
    /// # Errors
    /// When a program is missing or too old, when the folder is in use, not ours or of another version, or when a server
    /// does not come up. No server is left running then.
    pub async fn start(options: Options) -> Result<Self, Error> {
        Self::start_once_ours(options, || {}).await
    }

    /// Like [`start`](Self::start), but calls `ours` as soon as the folder is known to be in nobody else's use, before
    /// anything is started. That is the moment to remove what an earlier run said about its servers.
    ///
    /// # Errors
    /// The same.
    pub async fn start_once_ours(options: Options, ours: impl FnOnce()) -> Result<Self, Error> {
        let dir = DataDir::open(&options.data_dir)?;
        ours();
        leftovers::clean(&dir).await?;
        let home = Home::settle(&dir)?;
        let passwords = Passwords::load(&dir.passwords(), home.made_by.is_some())?;
        let programs = options.binaries.find(dir.root(), home.made_by).await?;
        let [postgres, redis, nats] = slots(&options, &dir, &home, &programs, &passwords)?;
        let spawner = Spawner::start()?;
        let mut stack = Self { postgres, redis, nats, spawner, _home: home, _dir: dir };
        match Box::pin(stack.bring_up(&options, &programs, &passwords)).await {
            Ok(()) => Ok(stack),
            Err(error) => {
                if let Err(other) = stack.stop().await {
                    tracing::warn!(%other, "a server was not ended");
                }
                Err(error)
            }
        }
    }

    async fn bring_up(&mut self, options: &Options, programs: &Programs, passwords: &Passwords) -> Result<(), Error> {
        let Self { postgres, redis, nats, spawner, _home: home, _dir: dir } = self;
        let database = async {
            if home.made_by.is_none() {
                let (durability, log) = (options.durability, dir.log("initdb"));
                logs::rotate(&log)?;
                Making { home, programs: &programs.postgres, passwords, durability, log }.make(spawner).await?;
            }
            leftovers::clean_postmaster(&home.data).await?;
            postgres.start_anywhere(spawner).await
        };
        // Not the first error but the end of all three: what came up must be known to be stopped.
        let (database, redis, nats) =
            tokio::join!(database, redis.start_anywhere(spawner), nats.start_anywhere(spawner));
        database.and(redis).and(nats)
    }

    /// The database `civiclens`, as the role that owns it and that may create further databases.
    pub fn database_url(&self) -> &str {
        &self.postgres.url
    }

    /// Redis.
    pub fn redis_url(&self) -> &str {
        &self.redis.url
    }

    /// NATS.
    pub fn nats_url(&self) -> &str {
        &self.nats.url
    }

    /// The process id of `PostgreSQL`; 0 while it does not run.
    pub fn postgres_pid(&self) -> u32 {
        self.postgres.pid()
    }

    /// The process id of Redis; 0 while it does not run.
    pub fn redis_pid(&self) -> u32 {
        self.redis.pid()
    }

    /// The process id of NATS; 0 while it does not run.
    pub fn nats_pid(&self) -> u32 {
        self.nats.pid()
    }

    /// Waits until a server ends by itself, and says which. Each end is told once; a server that was stopped is none.
    /// May be cancelled and called again.
    pub async fn child_died(&mut self) -> Service {
        tokio::select! {
            service = self.postgres.died() => service,
            service = self.redis.died() => service,
            service = self.nats.died() => service,
        }
    }

    /// Stops one server, for tests of an outage. Its data and its port are kept.
    ///
    /// # Errors
    /// When the system does not let it end.
    pub async fn stop_service(&mut self, service: Service) -> Result<(), Error> {
        self.slot(service).0.stop().await
    }

    /// Starts one server that was stopped or has ended, on its port and with its data. Does nothing when it runs.
    ///
    /// # Errors
    /// When it does not come up, which includes that another program took the port meanwhile.
    pub async fn start_service(&mut self, service: Service) -> Result<(), Error> {
        let (slot, spawner) = self.slot(service);
        if slot.child.as_mut().is_some_and(|child| child.ended().is_none()) {
            return Ok(());
        }
        slot.stop().await?;
        slot.child = Some(slot.server.start(spawner).await?);
        Ok(())
    }

    fn slot(&mut self, service: Service) -> (&mut Slot, &Spawner) {
        let slot = match service {
            Service::Postgres => &mut self.postgres,
            Service::Redis => &mut self.redis,
            Service::Nats => &mut self.nats,
        };
        (slot, &self.spawner)
    }

    /// Stops the servers, the database last. Each gets time to end by itself and is killed when that is over.
    ///
    /// # Errors
    /// When the system does not let one end; the others are stopped all the same.
    pub async fn stop(mut self) -> Result<(), Error> {
        let nats = self.nats.stop().await;
        let redis = self.redis.stop().await;
        let postgres = self.postgres.stop().await;
        postgres.and(redis).and(nats)
    }
}

/// The three servers as they are to run, on ports that are free now.
fn slots(
    options: &Options,
    dir: &DataDir,
    home: &Home,
    programs: &Programs,
    passwords: &Passwords,
) -> Result<[Slot; 3], Error> {
    let mut taken = Vec::new();
    let mut slot = |service: Service, program: PathBuf, folder: PathBuf, run_as: RunAs, password: &str| {
        let (log, port_file) = (dir.log(service.key()), dir.port_file(service));
        logs::rotate(&log)?;
        let port = ports::choose(files::read(&port_file)?.and_then(|text| text.trim().parse().ok()), &taken)?;
        taken.push(port);
        let server = Server {
            service,
            program,
            folder,
            run_as,
            password: password.to_owned(),
            durability: options.durability,
            port,
            log,
            pid_file: dir.pid_file(service),
            port_file,
        };
        Ok(Slot { url: server.url(), server, child: None })
    };
    let (redis, nats) = (Service::Redis, Service::Nats);
    Ok([
        slot(
            Service::Postgres,
            programs.postgres.join(Service::Postgres.program()),
            home.data.clone(),
            home.run_as,
            &passwords.postgres,
        )?,
        slot(redis, programs.redis_server.clone(), dir.of(redis), RunAs::Ourselves, &passwords.redis)?,
        slot(nats, programs.nats_server.clone(), dir.of(nats), RunAs::Ourselves, &passwords.nats)?,
    ])
}
