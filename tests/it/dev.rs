//! `civiclens dev`: a developer's first start, the next ones, and what goes wrong.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use civiclens_actors::domain::phone::Phone;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::support::{Answer, Ended, Folder, Process, civiclens, eventually, is_alive};

/// The fields of `dev.json`, by contract.
const FIELDS: [&str; 10] = [
    "admin_password",
    "admin_phone",
    "api_url",
    "database_url",
    "inbox_url",
    "nats_pid",
    "nats_url",
    "postgres_pid",
    "redis_pid",
    "redis_url",
];

fn dev(data: &Path, listen: &str) -> Command {
    let mut command = civiclens(["dev", "--listen", listen, "--data-dir"]);
    command.arg(data);
    command
}

/// A `dev` that is ready.
struct Dev {
    process: Process,
    file: Value,
    http: reqwest::Client,
}

impl Dev {
    async fn starts(data: &Path) -> Self {
        let process = Process::start(dev(data, "127.0.0.1:0"));
        process.says("CivicLens Identity is ready").await;
        let file = serde_json::from_str(&std::fs::read_to_string(data.join("dev.json")).unwrap()).unwrap();
        Self { process, file, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn says(&self, field: &str) -> &str {
        self.file[field].as_str().unwrap_or_else(|| panic!("{field}: {}", self.file))
    }

    fn pids(&self) -> [u32; 3] {
        ["postgres_pid", "redis_pid", "nats_pid"]
            .map(|field| u32::try_from(self.file[field].as_u64().unwrap()).unwrap())
    }

    async fn posts(&self, path: &str, body: Value) -> Answer {
        Answer::of(self.http.post(format!("{}/api/v1/auth/{path}", self.says("api_url"))).json(&body)).await
    }

    async fn whoami(&self, token: &str) -> Answer {
        Answer::of(self.http.get(format!("{}/api/v1/auth/whoami", self.says("api_url"))).bearer_auth(token)).await
    }

    /// Signs in as a developer does: by the inbox.
    async fn signs_in(&self, phone: &str) -> Answer {
        let to = Phone::parse(phone).unwrap();
        let read = async || {
            let messages = Answer::of(self.http.get(format!("{}.json", self.says("inbox_url")))).await.ok().body;
            let messages = messages.as_array().unwrap().iter().filter(|message| message["to"] == to.as_str());
            messages.map(|message| message["text"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let before = read().await.len();
        self.posts("request-otp", json!({ "phone": phone })).await.ok();
        let newest = async || read().await.into_iter().rev().nth(before);
        let text = eventually("an SMS", newest).await;
        let code = text.split(' ').next().unwrap();
        self.posts("verify-otp", json!({ "phone": phone, "otp": code })).await.ok()
    }

    /// Everything that `dev.json` names is there.
    async fn is_as_it_says(&self) {
        let fields: BTreeSet<&str> = self.file.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, FIELDS.into());
        assert!(self.pids().into_iter().all(is_alive), "{}", self.file);
        Answer::of(self.http.get(format!("{}/readyz", self.says("api_url")))).await.ok();
        Answer::of(self.http.get(self.says("inbox_url"))).await.ok();
        let role = "SELECT role::text FROM users WHERE phone = $1";
        let mut database = PgConnection::connect(self.says("database_url")).await.unwrap();
        let role: String =
            sqlx::query_scalar(role).bind(self.says("admin_phone")).fetch_one(&mut database).await.unwrap();
        assert_eq!(role, "admin");
        assert!(self.says("admin_password").len() >= 16);
        let redis = redis::Client::open(self.says("redis_url")).unwrap();
        let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
        assert_eq!(redis::cmd("PING").query_async::<String>(&mut redis).await.unwrap(), "PONG");
        let url = url::Url::parse(self.says("nats_url")).unwrap();
        let options = async_nats::ConnectOptions::with_user_and_password(
            url.username().to_owned(),
            url.password().unwrap().to_owned(),
        );
        let nats = options.connect(url.as_str()).await.unwrap();
        async_nats::jetstream::new(nats).get_stream("CIVICLENS_EVENTS").await.unwrap();
    }

    /// It ends by a signal, and leaves no server behind.
    async fn ends_by(mut self, signal: &str) -> Option<i32> {
        self.process.gets_signal(signal);
        let code = self.process.ends().await;
        let gone = async || (!self.pids().into_iter().any(is_alive)).then_some(());
        eventually("the end of the servers", gone).await;
        code
    }
}

#[actix::test]
async fn a_day_of_a_developer() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let first = Dev::starts(&data).await;
    first.is_as_it_says().await;
    let session = first.signs_in("98765 43210").await.body;
    assert_eq!(session["is_new_user"], true);
    let token = session["access_token"].as_str().unwrap();

    let second = Ended::of(dev(&data, "127.0.0.1:0"), "");
    second.fails(&format!("is in use by another `civiclens dev`, process {}", first.process.pid()));
    first.whoami(token).await.ok();

    // Ctrl-C.
    let before = first.file.clone();
    assert_eq!(first.ends_by("INT").await, Some(0));
    assert!(!data.join("dev.json").exists(), "what is in it does not answer any more");

    // Sessions, people and the administrator are still there.
    let next = Dev::starts(&data).await;
    for kept in ["database_url", "redis_url", "nats_url", "admin_phone", "admin_password"] {
        assert_eq!(next.file[kept], before[kept], "{kept}");
    }
    next.whoami(token).await.ok();
    next.is_as_it_says().await;
    let again = next.signs_in("98765 43210").await.body;
    assert_eq!((&again["is_new_user"], &again["user_id"]), (&json!(false), &session["user_id"]));

    // A crash leaves nothing running, and nothing that the next start cannot do with.
    assert_eq!(next.ends_by("KILL").await, None);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let refused = Ended::of(dev(&data, &address), "").fails(&format!("cannot listen on {address}"));
    assert!(refused.err.contains("--listen"), "what to do about it: {refused:?}");

    let last = Dev::starts(&data).await;
    last.whoami(token).await.ok();
    assert_eq!(last.ends_by("TERM").await, Some(0));
}

#[test]
fn a_missing_server_is_named_and_nothing_is_left_behind() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let mut command = dev(&data, "127.0.0.1:0");
    command.env("CIVICLENS_REDIS_SERVER", "/nowhere/redis-server");
    let said = Ended::of(command, "").fails("there is no redis-server at /nowhere/redis-server");
    assert!(said.err.contains("CIVICLENS_REDIS_SERVER"), "{said:?}");
    assert!(!data.join("dev.json").exists());
}

/// A file system of its own in memory, which can be filled.
struct SmallDisk(Folder);

impl SmallDisk {
    /// `None` for a user who may not mount.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = Folder::new();
        let size = format!("size={megabytes}m,mode=755");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output().unwrap();
        mount.status.success().then(|| Self(folder))
    }

    fn data(&self) -> std::path::PathBuf {
        self.0.path().join("data")
    }

    fn fill(&self) {
        let full = Command::new("dd").args(["if=/dev/zero", "bs=64k"]).arg(format!("of={}", self.filler())).output();
        assert!(!full.unwrap().status.success(), "it is full now");
    }

    fn free(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> String {
        self.0.path().join("filler").display().to_string()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0.path()).status();
    }
}

/// Only root can make a disk that is small, so nobody else tells this story.
#[actix::test]
async fn a_full_disk_is_named_and_what_is_on_it_stays() {
    let Some(disk) = SmallDisk::mount(200) else { return };
    let first = Dev::starts(&disk.data()).await;
    let session = first.signs_in("98765 43210").await.body;
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(first.ends_by("INT").await, Some(0));
    disk.fill();
    Ended::of(dev(&disk.data(), "127.0.0.1:0"), "").fails("the disk is full: free some space and start again");
    disk.free();
    let again = Dev::starts(&disk.data()).await;
    again.whoami(token).await.ok();
    assert_eq!(again.ends_by("INT").await, Some(0));
}

#[actix::test]
async fn dev_json_is_there_before_the_node_says_that_it_is_ready() {
    let folder = Folder::new();
    let data = folder.path().join("data");
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut process = Process::start(dev(&data, &address));
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let file = eventually("readiness", async || {
        let answer = http.get(format!("http://{address}/readyz")).send().await.ok()?;
        answer.status().is_success().then(|| std::fs::read_to_string(data.join("dev.json")).ok())
    })
    .await;
    assert!(file.is_some_and(|file| file.contains(&address)), "it is ready without its file");
    process.gets_signal("TERM");
    assert_eq!(process.ends().await, Some(0));
}
