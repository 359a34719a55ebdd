//! The program as its users meet it: a process with arguments, an environment, output and an exit code.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use civiclens::config::{Settings, in_force};
use civiclens_actors::domain::secret::Secret;
use serde_json::Value;

use super::stack::FOLDER;
use super::{TestApp, eventually};

/// The program with nothing of our own configuration in its environment. The kernel ends it when we are gone.
pub(crate) fn civiclens(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_civiclens")]).args(arguments);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CIVICLENS__") || text == "CIVICLENS_CONFIG" || text == "COLUMNS" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A command that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Runs `command` to its end, with `input` to read.
    pub(crate) fn of(mut command: Command, input: &str) -> Self {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // A command that does not read its input has gone before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// It did what it was asked to.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// It did not, and says why in a sentence with `words`: neither a panic nor a dump of a data structure.
    #[track_caller]
    pub(crate) fn fails(self, words: &str) -> Self {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.err.contains(words), "{words:?} is not in {self:?}");
        assert!(!self.err.contains("panicked") && !self.err.contains("RUST_BACKTRACE"), "{self:?}");
        self
    }
}

/// A process that runs until it is told to stop. It is killed if it has not ended when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    /// How many of its streams are still open.
    open: Arc<AtomicUsize>,
}

impl Process {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let open = Arc::new(AtomicUsize::new(2));
        keep(out, &lines, &open);
        keep(err, &lines, &open);
        Self { child, lines, open }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it said so far, on either stream.
    pub(crate) fn said(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line with `words`.
    pub(crate) async fn says(&self, words: &str) -> String {
        let found = async || {
            let ended = self.has_said_all();
            let line = self.said().into_iter().find(|line| line.contains(words));
            assert!(line.is_some() || !ended, "it ended: {:#?}", self.said());
            line
        };
        eventually(words, found).await
    }

    /// Where it answers, once it says so.
    pub(crate) async fn url(&self) -> String {
        let line: Value = serde_json::from_str(&self.says("ready for requests").await).unwrap();
        line["url"].as_str().unwrap().to_owned()
    }

    pub(crate) fn gets_signal(&self, name: &str) {
        let kill = Command::new("sh").args(["-c", &format!("kill -s {name} {}", self.pid())]).status();
        assert!(kill.unwrap().success());
    }

    fn has_said_all(&self) -> bool {
        self.open.load(Ordering::Acquire) == 0
    }

    /// Waits for its end, and answers its exit code; `None` if a signal ended it.
    pub(crate) async fn ends(&mut self) -> Option<i32> {
        let child = Mutex::new(&mut self.child);
        let status = eventually("its end", async || child.lock().unwrap().try_wait().unwrap()).await;
        eventually("its last words", async || self.has_said_all().then_some(())).await;
        status.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn keep(stream: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>, open: &Arc<AtomicUsize>) {
    let (lines, open) = (Arc::clone(lines), Arc::clone(open));
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
        open.fetch_sub(1, Ordering::Release);
    });
}

/// Whether there is a process with this id that has not ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// A folder of its own, removed at the end.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{FOLDER}{}-folder-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }

    /// Writes a file into it, and answers where it is.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The variables that hold the secrets of `settings`.
fn secrets(settings: &Settings) -> Vec<(&'static str, &Secret)> {
    vec![
        ("DATABASE__URL", &settings.database.url),
        ("REDIS__URL", &settings.redis.url),
        ("NATS__URL", &settings.nats.url),
        ("TOKEN__SECRET", &settings.token.secret),
        ("OTP__SECRET", &settings.otp.secret),
        ("CSRF__SECRET", &settings.csrf.secret),
        ("EMAIL__SMTP_URL", &settings.email.smtp_url),
        ("SMS__API_KEY", &settings.sms.api_key),
        ("SMS__API_SECRET", &settings.sms.api_secret),
        ("SECRETS__SEALING_KEY", &settings.secrets.sealing_key),
        ("SECRETS__PREVIOUS_SEALING_KEY", &settings.secrets.previous_sealing_key),
        ("SECRETS__HASH_KEY", &settings.secrets.hash_key),
        ("SECRETS__PASSWORD_PEPPER", &settings.secrets.password_pepper),
    ]
}

impl TestApp {
    /// The program, configured as this service is: what is in force in a file, and the secrets in the environment.
    pub(crate) fn command(&self, folder: &Folder, arguments: &[&str]) -> Command {
        let mut settings = self.settings.clone();
        // A story may hash at less cost than production allows.
        settings.password = Settings::default().password;
        let file = folder.file("civiclens.toml", &in_force(&settings));
        let mut command = civiclens(arguments);
        command.arg("--config").arg(file);
        for (name, secret) in secrets(&self.settings) {
            command.env(format!("CIVICLENS__{name}"), secret.expose());
        }
        command
    }
}
