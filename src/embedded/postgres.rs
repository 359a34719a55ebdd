//! The private `PostgreSQL`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{Connection, PgConnection};

use super::child::{Child, Plan, Spawner};
use super::data_dir::{DataDir, write_private};
use super::{Durability, Error, Options, Service, binaries};

/// The role and the database.
const NAME: &str = "civiclens";
/// Debian's package.
const PACKAGE: &str = "postgresql";

/// Starts it, making its data first where there is none.
pub(super) async fn launch(dir: &DataDir, options: &Options, spawner: &Spawner) -> Result<(Child, String), Error> {
    let (server, version) = options.binaries.find_at_least("postgres", PACKAGE, "15")?;
    let user = unprivileged_user(dir.path())?;
    let data = dir.path().join("postgres").join("data");
    let password = dir.password(Service::Postgres)?;
    if data.join("PG_VERSION").exists() {
        check_version(&data, &version)?;
    } else {
        let init = options.binaries.find("initdb", PACKAGE)?;
        initialise(&init, &data, &password, user.as_deref())?;
    }
    let port = dir.port(Service::Postgres)?;
    let plan = Plan {
        name: Service::Postgres.name(),
        program: &server,
        arguments: arguments(&data, port, options.durability),
        user: user.as_deref(),
        log: dir.log(Service::Postgres),
        pid_file: dir.pid_file(Service::Postgres),
        stop_signal: "INT",
    };
    let child = Child::spawn(plan, spawner)?;
    let admin = format!("postgres://{NAME}:{password}@127.0.0.1:{port}/postgres");
    let child = child.wait_until_ready(|| ready(&admin)).await?;
    Ok((child, format!("postgres://{NAME}:{password}@127.0.0.1:{port}/{NAME}")))
}

fn arguments(data: &Path, port: u16, durability: Durability) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=127.0.0.1".to_owned(),
        format!("port={port}"),
        "unix_socket_directories=".to_owned(),
        "max_connections=200".to_owned(),
        "shared_buffers=64MB".to_owned(),
    ];
    if durability == Durability::Ephemeral {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    let mut arguments = vec!["-D".to_owned(), data.display().to_string()];
    arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
    arguments
}

/// Whether it answers and holds our database, which is made on the first start.
async fn ready(url: &str) -> Result<(), String> {
    let mut connection = PgConnection::connect(url).await.map_err(|error| error.to_string())?;
    let there: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = 'civiclens'")
        .fetch_optional(&mut connection)
        .await
        .map_err(|error| error.to_string())?;
    if there.is_none() {
        sqlx::query("CREATE DATABASE civiclens").execute(&mut connection).await.map_err(|error| error.to_string())?;
    }
    connection.close().await.map_err(|error| error.to_string())
}

fn check_version(data: &Path, server: &str) -> Result<(), Error> {
    let file = data.join("PG_VERSION");
    let made_by = fs::read_to_string(&file).map_err(Error::file(file))?;
    if made_by.trim().parse() == Ok(binaries::major(server)) {
        return Ok(());
    }
    Err(Error::OtherVersion {
        path: data.to_owned(),
        made_by: format!("PostgreSQL {}", made_by.trim()),
        here: format!("PostgreSQL {}", binaries::major(server)),
    })
}

/// Makes the data beside its place and moves it there when it is whole, so that a start cut short leaves nothing half-made.
fn initialise(init: &Path, data: &Path, password: &str, user: Option<&str>) -> Result<(), Error> {
    let parent = data.parent().map(PathBuf::from).unwrap_or_default();
    let fresh = parent.join("data.new");
    if fresh.exists() {
        fs::remove_dir_all(&fresh).map_err(Error::file(&fresh))?;
    }
    fs::create_dir_all(&parent).map_err(Error::file(&parent))?;
    let password_file = parent.join("password");
    write_private(&password_file, password)?;
    if let Some(user) = user {
        run(Command::new("chown").args(["-R", user]).arg(&parent), "chown")?;
    }
    let mut command = as_user(user, init);
    command.arg("-D").arg(&fresh).args(["-U", NAME, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-k"]);
    command.arg("--no-sync").arg(format!("--pwfile={}", password_file.display()));
    let made = run(&mut command, "initdb");
    let _ = fs::remove_file(&password_file);
    made?;
    fs::rename(&fresh, data).map_err(Error::file(data))
}

fn as_user(user: Option<&str>, program: &Path) -> Command {
    let Some(user) = user else { return Command::new(program) };
    let mut command = Command::new("setpriv");
    command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]).arg(program);
    command
}

fn run(command: &mut Command, name: &'static str) -> Result<(), Error> {
    let output = command.output().map_err(|source| Error::Process { name, source })?;
    if output.status.success() {
        return Ok(());
    }
    let log = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::NotStarted { name, why: output.status.to_string(), log })
}

/// The user to run as: `None` for ourselves; an unprivileged one where we are root, which `PostgreSQL` refuses.
fn unprivileged_user(dir: &Path) -> Result<Option<String>, Error> {
    let output = Command::new("id").arg("-u").output().map_err(|source| Error::Process { name: "id", source })?;
    if output.stdout.trim_ascii() != b"0" {
        return Ok(None);
    }
    let known = |user: &&str| Command::new("id").arg(user).output().is_ok_and(|output| output.status.success());
    let user = ["postgres", "nobody"].into_iter().find(known).unwrap_or("nobody").to_owned();
    let reach = as_user(Some(&user), Path::new("test")).arg("-x").arg(dir).status();
    if reach.is_ok_and(|status| status.success()) {
        Ok(Some(user))
    } else {
        Err(Error::Unreachable { user, path: dir.to_owned() })
    }
}
