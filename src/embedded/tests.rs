//! The stack, started for real.

use std::path::{Path, PathBuf};

use super::{Binaries, Durability, Error, Options, Service, Stack};

/// A folder that is removed at the end, below one that the database's user can reach.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("civiclens-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options(path: &Path) -> Options {
    Options { data_dir: path.to_owned(), durability: Durability::Ephemeral, binaries: Binaries::default() }
}

fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[actix::test]
async fn a_stack_starts_refuses_a_second_and_keeps_its_data() {
    let folder = Folder::new("keeps");
    let mut stack = Stack::start(options(&folder.0)).await.unwrap();
    let (urls, pids) = (stack.database_url().to_owned(), [stack.postgres_pid(), stack.redis_pid(), stack.nats_pid()]);
    assert!(pids.into_iter().all(alive));
    assert!(matches!(Stack::start(options(&folder.0)).await, Err(Error::InUse { .. })));
    stack.stop_service(Service::Redis).await.unwrap();
    assert!(!alive(pids[1]) && stack.redis_pid() == 0);
    stack.start_service(Service::Redis).await.unwrap();
    assert!(alive(stack.redis_pid()));
    stack.stop().await.unwrap();
    assert!(!pids.into_iter().any(alive));
    let again = Stack::start(options(&folder.0)).await.unwrap();
    assert_eq!(again.database_url(), urls);
    again.stop().await.unwrap();
}

#[actix::test]
async fn a_server_that_dies_is_reported_and_other_versions_are_refused() {
    let folder = Folder::new("dies");
    let mut stack = Stack::start(options(&folder.0)).await.unwrap();
    std::process::Command::new("kill").args(["-9", &stack.nats_pid().to_string()]).status().unwrap();
    assert_eq!(stack.child_died().await, "nats");
    stack.stop().await.unwrap();
    std::fs::write(folder.0.join("postgres/data/PG_VERSION"), "9\n").unwrap();
    let refused = Stack::start(options(&folder.0)).await.err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("PostgreSQL 9") && refused.contains("PostgreSQL 1"), "{refused}");
    assert!(folder.0.join("postgres/data/base").exists());
}
