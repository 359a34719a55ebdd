//! The stack, started for real.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};

use super::identity::Identity;
use super::{Binaries, Durability, Error, Options, Service, Stack};

/// Names a data folder to the process that [`the_process_that_is_killed`] is to be.
const VICTIM: &str = "CIVICLENS_TEST_VICTIM";

/// A folder that is removed at the end.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("civiclens-{name}-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options(folder: &Folder, durability: Durability) -> Options {
    Options { data_dir: folder.path().join("data"), durability, binaries: Binaries::default() }
}

fn is_alive(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

fn signal(pid: u32, name: &str) {
    assert!(Command::new("/bin/sh").args(["-c", &format!("kill -s {name} {pid}")]).status().unwrap().success());
}

fn pids(stack: &Stack) -> [u32; 3] {
    [stack.postgres_pid(), stack.redis_pid(), stack.nats_pid()]
}

fn urls(stack: &Stack) -> [String; 3] {
    [stack.database_url(), stack.redis_url(), stack.nats_url()].map(str::to_owned)
}

/// Waits until `done`, which takes a moment and not seconds.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

async fn redis_says(url: &str, words: &[&str]) -> String {
    let mut connection = redis::Client::open(url).unwrap().get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.query_async(&mut connection).await.unwrap()
}

async fn sql(url: &str, statement: &'static str) -> Vec<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query_scalar(statement).fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    rows
}

/// Checks that nobody else on the machine can read the passwords, or come in without.
async fn others_are_kept_out(data_dir: &Path, stack: &Stack) {
    for name in ["passwords.json", "redis/redis.conf", "nats/nats.conf", "logs/postgres.log"] {
        let mode = fs::metadata(data_dir.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let passwords = fs::read_to_string(data_dir.join("passwords.json")).unwrap();
    let passwords: BTreeSet<String> = serde_json::from_str::<serde_json::Value>(&passwords)
        .unwrap()
        .as_object()
        .unwrap()
        .values()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect();
    assert_eq!(passwords.len(), 4);
    for pid in pids(stack) {
        let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
        let environment = fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
        assert!(!passwords.iter().any(|password| line.contains(password) || environment.contains(password)));
        assert!(!environment.contains("CARGO"), "{environment}");
    }
    let ports = urls(stack).map(|url| url.split_once('@').unwrap().1.to_owned());
    assert!(PgConnection::connect(&format!("postgres://civiclens:wrong@{}", ports[0])).await.is_err());
    let redis = redis::Client::open(format!("redis://:wrong@{}", ports[1])).unwrap();
    assert!(redis.get_multiplexed_async_connection().await.is_err());
    assert!(async_nats::connect(&ports[2]).await.is_err());
}

#[actix::test]
async fn what_was_told_is_kept_over_a_stop_and_nothing_is_left_running() {
    let folder = Folder::new("keeps");
    let stack = Stack::start(options(&folder, Durability::Durable)).await.unwrap();
    let (first, first_urls) = (pids(&stack), urls(&stack));
    assert!(first.into_iter().all(is_alive));
    others_are_kept_out(&folder.path().join("data"), &stack).await;
    sql(&first_urls[0], "CREATE DATABASE another").await;
    sql(&first_urls[0], "CREATE TABLE told AS SELECT 'yes' AS what").await;
    assert_eq!(
        sql(&first_urls[0], "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user").await,
        ["false"]
    );
    assert_eq!(redis_says(&first_urls[1], &["SET", "told", "yes"]).await, "OK");
    stack.stop().await.unwrap();
    assert!(!first.into_iter().any(is_alive));

    let began = Instant::now();
    let again = Stack::start(options(&folder, Durability::Durable)).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(urls(&again), first_urls, "the ports are kept");
    assert_eq!(sql(&first_urls[0], "SELECT what FROM told").await, ["yes"]);
    assert_eq!(redis_says(&first_urls[1], &["GET", "told"]).await, "yes");
    again.stop().await.unwrap();
}

#[actix::test]
async fn an_outage_ends_with_the_same_url_and_data_and_a_death_is_told_once() {
    let folder = Folder::new("outage");
    let mut stack = Stack::start(options(&folder, Durability::Ephemeral)).await.unwrap();
    let before = urls(&stack);
    assert_eq!(redis_says(&before[1], &["SET", "told", "yes"]).await, "OK");
    for service in Service::ALL {
        stack.stop_service(service).await.unwrap();
        stack.stop_service(service).await.unwrap();
    }
    assert_eq!(pids(&stack), [0; 3]);
    let nothing = tokio::time::timeout(Duration::from_millis(50), stack.child_died()).await;
    assert!(nothing.is_err(), "a server that was stopped did not die");
    for service in Service::ALL {
        stack.start_service(service).await.unwrap();
        stack.start_service(service).await.unwrap();
    }
    assert_eq!(urls(&stack), before);
    assert_eq!(redis_says(&before[1], &["GET", "told"]).await, "yes");
    for (service, pid) in Service::ALL.into_iter().zip(pids(&stack)) {
        signal(pid, "KILL");
        assert_eq!(stack.child_died().await, service);
        stack.start_service(service).await.unwrap();
    }
    assert_eq!(urls(&stack), before);
    assert!(tokio::time::timeout(Duration::from_millis(50), stack.child_died()).await.is_err());
    let last = pids(&stack);
    drop(stack);
    wait_until("a stack that is dropped ends its servers", || !last.into_iter().any(is_alive));
}

#[actix::test]
async fn what_cannot_start_says_why_and_leaves_everything_as_it_was() {
    let folder = Folder::new("refused");
    let options = options(&folder, Durability::Ephemeral);
    let stack = Stack::start(options.clone()).await.unwrap();
    let ports = urls(&stack).map(|url| url.split("127.0.0.1:").nth(1).unwrap()[..5].parse::<u16>().unwrap());
    stack.stop().await.unwrap();
    let refusal = async || Stack::start(options.clone()).await.unwrap_err().to_string();

    let layout = options.data_dir.join("VERSION");
    fs::write(&layout, "2\n").unwrap();
    assert!(refusal().await.contains("has layout 2 of a newer civiclens"));
    fs::write(layout, "1\n").unwrap();

    let version = options.data_dir.join("postgres/PG_VERSION");
    let made_by = fs::read_to_string(&version).unwrap();
    fs::write(&version, "9\n").unwrap();
    let refused = refusal().await;
    assert!(refused.contains("made by PostgreSQL 9") && refused.contains("has PostgreSQL 1"), "{refused}");
    fs::write(version, made_by).unwrap();

    let passwords = options.data_dir.join("passwords.json");
    let away = passwords.with_extension("away");
    fs::rename(&passwords, &away).unwrap();
    assert!(refusal().await.contains("passwords.json is gone, and with it the password of the database"));
    fs::rename(away, passwords).unwrap();

    let control = options.data_dir.join("postgres/global/pg_control");
    let away = control.with_extension("away");
    fs::rename(&control, &away).unwrap();
    let refused = Stack::start(options.clone()).await.unwrap_err();
    assert!(matches!(refused, Error::Ended { .. }), "{refused}");
    assert!(refused.to_string().starts_with("starting PostgreSQL failed (exit status: "), "{refused}");
    assert!(refused.to_string().contains("pg_control"), "{refused}");
    for port in ports {
        std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
    fs::rename(away, control).unwrap();

    // A port that another program has is given up for another one.
    let _taken = std::net::TcpListener::bind(("127.0.0.1", ports[0])).unwrap();
    let moved = Stack::start(options.clone()).await.unwrap();
    assert!(!moved.database_url().contains(&ports[0].to_string()));
    moved.stop().await.unwrap();
}

/// Not a test by itself: the next one runs it as a process of its own, to kill it.
#[actix::test]
async fn the_process_that_is_killed() {
    let Some(data_dir) = std::env::var_os(VICTIM).map(PathBuf::from) else { return };
    let options =
        Options { data_dir: data_dir.clone(), durability: Durability::Ephemeral, binaries: Binaries::default() };
    let stack = Stack::start(options).await.unwrap();
    fs::write(data_dir.join("pids.new"), format!("{:?}", pids(&stack))).unwrap();
    fs::rename(data_dir.join("pids.new"), data_dir.join("pids")).unwrap();
    std::future::pending::<()>().await;
}

fn start_victim(data_dir: &Path) -> (std::process::Child, Vec<u32>) {
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "embedded::tests::the_process_that_is_killed"])
        .env(VICTIM, data_dir)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let note = data_dir.join("pids");
    wait_until("the other process starts its servers", || note.exists() || victim.try_wait().unwrap().is_some());
    let text = fs::read_to_string(&note).unwrap();
    fs::remove_file(note).unwrap();
    (victim, serde_json::from_str(&text).unwrap())
}

#[actix::test]
async fn servers_do_not_outlive_a_process_that_is_killed() {
    let folder = Folder::new("orphans");
    let options = options(&folder, Durability::Ephemeral);
    let (mut victim, servers) = start_victim(&options.data_dir);
    assert!(servers.iter().copied().all(is_alive));
    let mut ours = false;
    let refused = Stack::start_once_ours(options.clone(), || ours = true).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("process {}", victim.id())), "{refused}");
    assert!(!ours, "what the other run says about its servers still holds");
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the kernel tells the servers", || !servers.iter().copied().any(is_alive));

    // One that the kernel did not reach is noted in the folder: the next start ends it, and nobody who merely has its
    // number.
    let mut sleepers = [1, 2].map(|_| Command::new("sleep").arg("600").spawn().unwrap());
    let notes = sleepers.each_ref().map(|sleeper| Identity::of(sleeper.id()).unwrap().to_string());
    let run = options.data_dir.join("run");
    fs::write(run.join("redis.pid"), &notes[0]).unwrap();
    fs::write(run.join("nats.pid"), notes[1].replacen(' ', " 1", 1)).unwrap();
    let stack = Stack::start_once_ours(options, || {
        ours = true;
        assert!(is_alive(sleepers[0].id()), "before anything else");
    });
    let stack = stack.await.unwrap();
    assert!(ours);
    assert!(sleepers[0].try_wait().unwrap().is_some());
    assert!(sleepers[1].try_wait().unwrap().is_none());
    sleepers[1].kill().unwrap();
    sleepers[1].wait().unwrap();
    stack.stop().await.unwrap();
}
