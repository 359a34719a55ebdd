//! What `serve` writes into its log: one request can be followed through all of it, and nobody's secret is in it.

use serde_json::Value;

use crate::support::{Folder, Process, Session, story_without_workers};

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
            command.env("CIVICLENS__LOG__FILTER", "debug,sqlx::query=trace");
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
            // Said by an actor, on its own thread, to the database.
            assert!(any(&entered, "sqlx::query"), "{entered:#?}");
            assert!(any(&asked, "sqlx::query"), "the worker asks which language they chose: {asked:#?}");

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
