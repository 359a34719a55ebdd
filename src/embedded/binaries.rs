//! Where the programs of the servers are, and whether they are new enough.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf, absolute};

use tokio::process::Command;

use super::Error;
use super::service::Service;
use super::version::Version;

/// Where the servers are looked for. What is named here is taken and nothing else; the others are searched in `.tools/`
/// of the current folder and beside the data folder, in `PATH`, and below `/usr/lib/postgresql`, the newest first.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The folder of `postgres` and `initdb`; `CIVICLENS_POSTGRES_BIN`.
    pub postgres: Option<PathBuf>,
    /// The program `redis-server`; `CIVICLENS_REDIS_SERVER`.
    pub redis_server: Option<PathBuf>,
    /// The program `nats-server`; `CIVICLENS_NATS_SERVER`.
    pub nats_server: Option<PathBuf>,
}

impl Default for Binaries {
    /// What the environment names.
    fn default() -> Self {
        let named =
            |service: Service| env::var_os(service.variable()).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            postgres: named(Service::Postgres),
            redis_server: named(Service::Redis),
            nats_server: named(Service::Nats),
        }
    }
}

/// The programs that were found.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    /// The folder of `postgres` and `initdb`.
    pub(super) postgres: PathBuf,
    /// The program `redis-server`.
    pub(super) redis_server: PathBuf,
    /// The program `nats-server`.
    pub(super) nats_server: PathBuf,
}

impl Binaries {
    /// Finds all three. `made_by` is the major version of a database that is there, which only that version can open.
    pub(super) async fn find(&self, data: &Path, made_by: Option<u32>) -> Result<Programs, Error> {
        let (postgres, redis_server, nats_server) = tokio::try_join!(
            self.find_postgres(data, made_by),
            self.find_one(Service::Redis, self.redis_server.as_deref(), data),
            self.find_one(Service::Nats, self.nats_server.as_deref(), data),
        )?;
        Ok(Programs { postgres, redis_server, nats_server })
    }

    async fn find_one(&self, service: Service, named: Option<&Path>, data: &Path) -> Result<PathBuf, Error> {
        let candidates = match named {
            Some(path) => vec![named_program(service, path)?],
            None => search(service.program(), data, None),
        };
        let mut too_old = None;
        for (path, found) in versions(&candidates).await {
            if found >= service.oldest() {
                return Ok(path);
            }
            too_old.get_or_insert(Error::TooOld { service, path, found });
        }
        Err(too_old.unwrap_or(Error::Missing { service }))
    }

    async fn find_postgres(&self, data: &Path, made_by: Option<u32>) -> Result<PathBuf, Error> {
        let service = Service::Postgres;
        let candidates = match &self.postgres {
            Some(folder) => vec![named_program(service, &folder.join(service.program()))?],
            None => search(service.program(), data, Some(Path::new("/usr/lib/postgresql"))),
        };
        // A link to the program does not have the rest of PostgreSQL beside it.
        let real = candidates.iter().filter_map(|path| path.canonicalize().ok());
        let with_initdb: Vec<PathBuf> = real.filter(|path| is_program(&path.with_file_name("initdb"))).collect();
        let (mut too_old, mut other) = (None, None);
        for (path, found) in versions(&with_initdb).await {
            if found < service.oldest() {
                too_old.get_or_insert(Error::TooOld { service, path, found });
            } else if let Some(made_by) = made_by.filter(|made_by| *made_by != found.major) {
                other.get_or_insert(Error::OtherPostgres { path: data.join(service.key()), made_by, installed: found });
            } else {
                return Ok(path.parent().map(Path::to_owned).unwrap_or_default());
            }
        }
        Err(other.or(too_old).unwrap_or(Error::Missing { service }))
    }
}

fn named_program(service: Service, path: &Path) -> Result<PathBuf, Error> {
    let path = absolute(path).map_err(Error::file(path))?;
    if is_program(&path) { Ok(path) } else { Err(Error::MissingThere { service, path }) }
}

/// Every place that has `program`, in the order of preference.
fn search(program: &str, data: &Path, versions: Option<&Path>) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    for above in env::current_dir().ok().as_deref().into_iter().chain(data.parent()) {
        let tools = above.join(".tools");
        folders.extend(by_version(&tools.join(program)));
        folders.push(tools.join("bin"));
    }
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths).filter_map(|folder| absolute(folder).ok()));
    folders.extend(versions.iter().flat_map(|folder| by_version(folder)));
    let mut seen = BTreeSet::new();
    let places = folders.iter().flat_map(|folder| [folder.join(program), folder.join("bin").join(program)]);
    places.filter(|path| is_program(path) && seen.insert(path.clone())).collect()
}

/// The folders in `folder` that are named by a version, the newest first.
fn by_version(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let versioned = entries.filter_map(|entry| Some((Version::parse(entry.file_name().to_str()?)?, entry.path())));
    let mut versioned: Vec<_> = versioned.collect();
    versioned.sort_by(|a, b| b.cmp(a));
    versioned.into_iter().map(|(_, path)| path).collect()
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The candidates that say a version. They are few, and each takes a few milliseconds.
async fn versions(candidates: &[PathBuf]) -> Vec<(PathBuf, Version)> {
    let ask = candidates.iter().map(|path| async move {
        let output = Command::new(path).arg("--version").output().await.ok()?;
        Some((path.clone(), Version::parse(&String::from_utf8_lossy(&output.stdout))?))
    });
    futures::future::join_all(ask).await.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::tests::Folder;

    fn fake(folder: &Folder, name: &str, version: &str) -> PathBuf {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[actix::test]
    async fn old_and_missing_servers_are_refused_by_name() {
        let folder = Folder::new("binaries");
        fake(&folder, "14/initdb", "");
        let postgres = fake(&folder, "14/postgres", "postgres (PostgreSQL) 14.9").parent().unwrap().to_owned();
        let binaries = Binaries {
            postgres: Some(postgres),
            redis_server: Some(fake(&folder, "redis", "Redis server v=6.2.1 sha=0")),
            nats_server: Some(folder.path().join("none")),
        };
        let postgres = binaries.find_postgres(folder.path(), None).await.unwrap_err().to_string();
        assert!(postgres.contains("PostgreSQL 14.9") && postgres.contains("15.0 or newer"), "{postgres}");
        let redis = binaries.find_one(Service::Redis, binaries.redis_server.as_deref(), folder.path()).await;
        let redis = redis.unwrap_err().to_string();
        assert!(redis.contains("Redis 6.2") && redis.contains("redis-server"), "{redis}");
        let nats = binaries.find_one(Service::Nats, binaries.nats_server.as_deref(), folder.path()).await;
        assert!(nats.unwrap_err().to_string().ends_with("none: correct or unset CIVICLENS_NATS_SERVER"));
    }

    #[actix::test]
    async fn the_newest_tool_is_taken_and_a_database_gets_the_version_that_made_it() {
        let folder = Folder::new("tools");
        for version in ["2.9.9", "2.15.1", "2.11.0"] {
            fake(&folder, &format!(".tools/nats-server/{version}/nats-server"), &format!("nats-server: v{version}"));
        }
        let newest = by_version(&folder.path().join(".tools/nats-server"));
        assert_eq!(
            newest.iter().filter_map(|path| path.file_name()?.to_str()).collect::<Vec<_>>(),
            ["2.15.1", "2.11.0", "2.9.9"]
        );
        let found = search("nats-server", &folder.path().join("data"), None);
        assert!(found.contains(&folder.path().join(".tools/nats-server/2.15.1/nats-server")));
        fake(&folder, "17/initdb", "");
        fake(&folder, "17/postgres", "postgres (PostgreSQL) 17.1");
        let binaries = Binaries { postgres: Some(folder.path().join("17")), redis_server: None, nats_server: None };
        assert!(binaries.find_postgres(folder.path(), Some(17)).await.unwrap().ends_with("17"));
        let other = binaries.find_postgres(folder.path(), Some(16)).await.unwrap_err().to_string();
        assert!(other.contains("PostgreSQL 16") && other.contains("PostgreSQL 17.1"), "{other}");
    }
}
