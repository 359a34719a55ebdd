//! Makes the database: beside its place, moved there when it is whole, so that a start cut short leaves nothing half-made.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use super::home::Home;
use super::launch::{Launch, Spawner};
use super::passwords::Passwords;
use super::postgres::NAME;
use super::{Durability, Error, files, logs};

/// How long one step may take.
const STEP: Duration = Duration::from_mins(3);

/// What it takes to make a database.
pub(super) struct Making<'a> {
    /// Its place.
    pub(super) home: &'a Home,
    /// The folder of `initdb` and `postgres`.
    pub(super) programs: &'a Path,
    /// The passwords it will know.
    pub(super) passwords: &'a Passwords,
    /// Whether it must be on disk before it counts.
    pub(super) durability: Durability,
    /// Where the steps write.
    pub(super) log: PathBuf,
}

impl Making<'_> {
    /// Makes it.
    pub(super) async fn make(&self, spawner: &Spawner) -> Result<(), Error> {
        let workshop = self.home.workshop();
        files::make_folder(&workshop, 0o700)?;
        self.home.run_as.give(&workshop)?;
        let made = self.make_in(&workshop, spawner).await;
        let _ = fs::remove_dir_all(&workshop);
        made
    }

    async fn make_in(&self, workshop: &Path, spawner: &Spawner) -> Result<(), Error> {
        let (fresh, password) = (workshop.join("data"), workshop.join("password"));
        files::write_private(&password, &self.passwords.postgres_superuser)?;
        self.home.run_as.give(&password)?;
        let mut arguments: Vec<OsString> = ["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8"]
            .into_iter()
            .chain(["--locale=C.UTF-8", "--data-checksums", "--no-sync", "--no-instructions", "--pwfile"])
            .map(OsString::from)
            .collect();
        arguments.extend([password.into_os_string(), "--pgdata".into(), fresh.clone().into_os_string()]);
        self.step("initdb", arguments, None, spawner).await?;

        let sql = workshop.join("roles.sql");
        files::write_private(&sql, &self.roles())?;
        let input = File::open(&sql).map_err(Error::file(&sql))?;
        // A password that is part of a statement that fails must not end up in the log.
        let arguments = ["--single", "-F", "-c", "log_min_error_statement=panic", "-D"].map(OsString::from);
        let arguments = arguments.into_iter().chain([fresh.clone().into_os_string(), "postgres".into()]).collect();
        self.step("postgres", arguments, Some(input), spawner).await?;

        if self.durability == Durability::Durable {
            let arguments = vec!["--sync-only".into(), "--pgdata".into(), fresh.clone().into_os_string()];
            self.step("initdb", arguments, None, spawner).await?;
        }
        let place = &self.home.data;
        fs::rename(&fresh, place).map_err(Error::file(place))?;
        let above = place.parent().unwrap_or(place);
        File::open(above).and_then(|folder| folder.sync_all()).map_err(Error::file(above))
    }

    /// The owner of the database and the database, one statement a line, as the server without clients reads them.
    fn roles(&self) -> String {
        let password = &self.passwords.postgres;
        format!("CREATE ROLE {NAME} LOGIN CREATEDB PASSWORD '{password}'\nCREATE DATABASE {NAME} OWNER {NAME}\n")
    }

    async fn step(
        &self,
        program: &'static str,
        arguments: Vec<OsString>,
        input: Option<File>,
        spawner: &Spawner,
    ) -> Result<(), Error> {
        let start = logs::length(&self.log);
        let launch = Launch {
            program: self.programs.join(program),
            arguments,
            folder: self.home.workshop(),
            run_as: self.home.run_as,
            orphan_signal: "KILL",
            input,
            log: self.log.clone(),
        };
        let mut process = spawner.spawn(launch).await?;
        let slow = || std::io::Error::from(std::io::ErrorKind::TimedOut);
        let ended = match timeout(STEP, process.wait()).await {
            Ok(ended) => ended,
            Err(_) => process.kill().await.and(Err(slow())),
        };
        let status = ended.map_err(|reason| Error::System { what: "making the database", reason })?;
        let tail = logs::tail(&self.log, start);
        // Without clients, the server goes on after an error and ends well.
        if status.success() && !tail.contains("ERROR:") {
            return Ok(());
        }
        let what = "making the database".to_owned();
        Err(Error::Ended { what, status, log_name: self.log.display().to_string(), tail })
    }
}
