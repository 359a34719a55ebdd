//! What `serve` writes into its log: one request can be followed through all of it, and nobody's secret is in it.

use civiclens::config::{Format, Log};
use civiclens::telemetry::start_logs;
use serde_json::{Value, json};

use crate::support::{Ended, Folder, Process, Session, civiclens, story_without_workers};

/// The lines that belong to a request.
fn of<'a>(request: &str, lines: &'a [Value]) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["span"]["request_id"] == request || line["request_id"] == request).collect()
}

fn any(lines: &[&Value], part: &str) -> bool {
    lines.iter().any(|line| line["target"].as_str().unwrap_or_default().starts_with(part))
}

#[actix::test]
async fn a_request_is_followed_from_http_to_the_provider_and_no_secret_is_told() {
    story_without_workers(
        |_| (),
        async |app| {
            let folder = Folder::new();
            let mut command = app.command(&folder, &["serve"]);
            // As much as an operator who looks for something would ask for.
            command.env("CIVICLENS__LOG__FILTER", "trace,sqlx::query=trace,redis=trace");
            let mut process = Process::start(command);
            app.requests_go_to(process.url().await);
            let ravi = app.citizen("98765 43210");
            let asked = ravi.requests_code().await.ok();
            let code = ravi.code_from_sms().await;
            let session = Session::of(app, ravi.enters(&code).await.ok());
            process.says("sms handed over").await;
            process.gets_signal("TERM");
            assert_eq!(process.ends().await, Some(0));

            let said = process.said();
            let lines: Vec<Value> = said.iter().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
            assert!(lines.iter().all(Value::is_object), "every line is JSON: {said:#?}");
            let asked = of(asked.header("x-request-id").unwrap(), &lines);
            let entered = of(session.answer.header("x-request-id").unwrap(), &lines);
            assert!(any(&asked, "civiclens::http"), "the answer to the request: {asked:#?}");
            assert!(any(&asked, "civiclens_actors::notifications"), "the work of the worker: {asked:#?}");
            assert!(any(&entered, "civiclens::http"), "{entered:#?}");
            for line in &lines {
                let ours = line["target"].as_str().unwrap_or_default().starts_with("civiclens");
                let fine = matches!(line["level"].as_str(), Some("DEBUG" | "TRACE"));
                assert!(ours || !fine, "another crate below info: {line}");
            }

            let body = &session.answer.body;
            let settings = &app.settings;
            let secrets = [
                body["access_token"].as_str().unwrap(),
                body["refresh_token"].as_str().unwrap(),
                settings.token.secret.expose(),
                settings.otp.secret.expose(),
                settings.secrets.sealing_key.expose(),
                settings.sms.api_secret.expose(),
                settings.database.url.expose(),
                settings.nats.url.expose(),
            ];
            for line in lines {
                let mut line = line;
                // Whose digits may be those of a code.
                line.as_object_mut().unwrap().remove("timestamp");
                let line = line.to_string();
                let mut words = line.split(|character: char| !character.is_ascii_alphanumeric());
                assert!(!words.any(|word| word == code), "the code: {line}");
                assert!(!line.contains("98765") && !line.contains("43210"), "the phone: {line}");
                assert!(!secrets.iter().any(|secret| line.contains(secret)), "a secret: {line}");
            }
        },
    )
    .await;
}

/// Every line of a text is a JSON object.
fn json_lines(text: &str) -> Vec<Value> {
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap_or_default()).collect();
    assert!(!lines.is_empty() && lines.iter().all(Value::is_object), "a plain line: {text}");
    lines
}

#[actix::test]
async fn a_failure_is_a_json_line_wherever_the_start_ends() {
    story_without_workers(
        |_| (),
        async |app| {
            let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let address = taken.local_addr().unwrap().to_string();
            let failures = [
                // What cannot be done, also where the filter hides errors.
                ("SERVER__LISTEN", address.as_str(), "info"),
                ("SERVER__LISTEN", address.as_str(), "off"),
                // What is not valid, what does not parse, and a filter that is none.
                ("OTP__MAX_GUESSES", "99", "info"),
                ("SERVER__WORKERS", "many", "info"),
                ("TOKEN__ISSUER", "who?", "info"),
                ("SMS__PROVIDER", "twilio", "=no=filter="),
            ];
            for (name, value, filter) in failures {
                let folder = Folder::new();
                let mut command = app.command(&folder, &["serve"]);
                command.env("CIVICLENS__LOG__FILTER", filter).env("CIVICLENS__LOG__FORMAT", "json");
                command.env(format!("CIVICLENS__{name}"), value);
                let said = Ended::of(command, "");
                assert_eq!(said.code, Some(1), "{said:?}");
                let last = json_lines(&said.err).pop().unwrap_or_default();
                assert_eq!(
                    (&last["level"], &last["message"]),
                    (&json!("ERROR"), &json!("the program failed")),
                    "{last}"
                );
                assert!(last["error"].is_string() && last["timestamp"].is_string(), "{last}");
            }
            let mut missing = civiclens(["serve", "--config", "/nowhere.toml"]);
            missing.env("CIVICLENS__LOG__FORMAT", "json");
            json_lines(&Ended::of(missing, "").fails("/nowhere.toml").err);
        },
    )
    .await;
}

/// The name of the variable that tells the test below to panic.
const PANIC: &str = "CIVICLENS_TEST_PANIC";

/// Panics on a thread of its own, in the process that the next test starts. Elsewhere it has nothing to do.
#[test]
fn a_thread_panics_where_its_parent_asks_for_it() {
    if std::env::var_os(PANIC).is_none() {
        return;
    }
    start_logs(&Log { format: Format::Json, filter: "info".to_owned() }).unwrap();
    let thread = std::thread::Builder::new().name("unlucky".to_owned());
    let ended = thread.spawn(|| panic!("the \"sky\"\nfalls on {}", 7)).unwrap().join();
    assert!(ended.is_err());
}

#[test]
fn a_panic_is_one_json_line_with_its_place() {
    for (backtrace, frames) in [("0", false), ("1", true)] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "log_lines::a_thread_panics_where_its_parent_asks_for_it"]);
        command.env(PANIC, "1").env("RUST_BACKTRACE", backtrace).env_remove("RUST_LIB_BACKTRACE");
        let said = Ended::of(piped(command), "").ok();
        let lines = json_lines(&said.err);
        let [line] = lines.as_slice() else { panic!("more than one line: {said:?}") };
        assert_eq!(line["panic"], "the \"sky\"\nfalls on 7");
        assert_eq!((&line["level"], &line["thread"]), (&json!("ERROR"), &json!("unlucky")));
        assert!(line["location"].as_str().unwrap_or_default().contains("log_lines.rs:"), "{line}");
        assert_eq!(line["backtrace"].is_string(), frames, "{line}");
    }
}

/// A command whose output is read.
fn piped(mut command: std::process::Command) -> std::process::Command {
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}
