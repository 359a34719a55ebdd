//! `serve` as a process: what it finishes when it is told to stop, and how it ends when it has to.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;

use futures::future::join;
use sqlx::{Postgres, Transaction};

use crate::support::{Folder, Process, RawRequest, TestApp, eventually, names, story_without_workers};

/// Takes the rows of all people, so that a login waits. It goes on when this is dropped.
async fn hold_logins(app: &TestApp) -> Transaction<'static, Postgres> {
    let mut held = app.db.begin().await.unwrap();
    sqlx::query("SELECT id FROM users FOR UPDATE").execute(&mut *held).await.unwrap();
    held
}

async fn somebody_waits(app: &TestApp) {
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("a request that waits", async || (app.count(waiting).await > 0).then_some(())).await;
}

fn serve(app: &TestApp, folder: &Folder) -> Command {
    app.command(folder, &["serve"])
}

#[actix::test]
async fn a_request_under_way_is_finished_and_what_it_did_is_told() {
    story_without_workers(
        |_| (),
        async |app| {
            let folder = Folder::new();
            let mut process = Process::start(serve(app, &folder));
            let url = process.url().await;
            app.requests_go_to(url.clone());
            let ravi = app.citizen("98765 43210");
            ravi.signs_in().await;
            let code = ravi.gets_code().await;
            let held = hold_logins(app).await;
            let stops = async {
                somebody_waits(app).await;
                process.gets_signal("TERM");
                process.says("stopping").await;
                held.rollback().await.unwrap();
            };
            let (answer, ()) = join(ravi.enters(&code), stops).await;
            assert_eq!(answer.ok().body["is_new_user"], false);
            assert_eq!(process.ends().await, Some(0));
            let said = process.said();
            assert!(said.iter().any(|line| line.contains("\"message\":\"stopped\"")), "{said:#?}");
            assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err(), "nobody listens any more");
            let events = app.events(3).await;
            assert_eq!(names(&events), ["event.user.registered", "event.session.opened", "event.session.opened"]);
        },
    )
    .await;
}

#[actix::test]
async fn a_request_whose_client_is_gone_is_finished_too() {
    story_without_workers(
        |_| (),
        async |app| {
            let folder = Folder::new();
            let mut process = Process::start(serve(app, &folder));
            app.requests_go_to(process.url().await);
            let ravi = app.citizen("98765 43210");
            ravi.signs_in().await;
            let code = ravi.gets_code().await;
            let held = hold_logins(app).await;
            let body = serde_json::json!({ "phone": "98765 43210", "otp": code });
            let enter = RawRequest::post("/api/v1/auth/verify-otp", body);
            app.hangs_up_when(&enter, "hangs-up-and-stops", somebody_waits(app)).await;
            process.gets_signal("TERM");
            process.says("stopping").await;
            held.rollback().await.unwrap();
            assert_eq!(process.ends().await, Some(0));
            let opened = "SELECT count(*) FROM audit_log WHERE request_id = 'hangs-up-and-stops' AND action = 'auth.login_succeeded'";
            assert_eq!(app.count(opened).await, 1);
            let lost = app.redis_dump().await;
            assert!(lost.contains("otp:login") && lost.contains("lost"), "{lost}");
        },
    )
    .await;
}

#[actix::test]
async fn a_second_signal_ends_it_at_once() {
    story_without_workers(
        |_| (),
        async |app| {
            let folder = Folder::new();
            let mut process = Process::start(serve(app, &folder));
            app.requests_go_to(process.url().await);
            let ravi = app.citizen("98765 43210");
            ravi.signs_in().await;
            let code = ravi.gets_code().await;
            let held = hold_logins(app).await;
            let body = serde_json::json!({ "phone": "98765 43210", "otp": code });
            let request = app.http.post(app.at("/api/v1/auth/verify-otp")).json(&body).send();
            let stops = async {
                somebody_waits(app).await;
                process.gets_signal("TERM");
                process.says("stopping").await;
                process.gets_signal("INT");
                process.ends().await
            };
            let (answer, code) = join(request, stops).await;
            assert!(answer.is_err(), "it was cut off");
            assert_eq!(code, Some(1));
            let said = process.said();
            assert!(said.iter().any(|line| line.contains("stopped at once by a second signal")), "{said:#?}");
            held.rollback().await.unwrap();
        },
    )
    .await;
}

/// A NATS server from before what we rely on.
fn old_nats() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://a-token-of-the-story@{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let hello =
                    "INFO {\"server_id\":\"old\",\"version\":\"2.9.0\",\"max_payload\":1048576,\"headers\":true}\r\n";
                let mut told = stream.write_all(hello.as_bytes());
                let mut read = [0; 4096];
                while told.is_ok() {
                    match stream.read(&mut read) {
                        Ok(0) | Err(_) => return,
                        Ok(length) => {
                            let pings = read[..length].windows(4).filter(|word| *word == b"PING").count();
                            told = stream.write_all("PONG\r\n".repeat(pings).as_bytes());
                        }
                    }
                }
            });
        }
    });
    url
}

#[actix::test]
async fn a_part_that_cannot_go_on_ends_the_process_with_a_failure() {
    story_without_workers(
        |_| (),
        async |app| {
            let folder = Folder::new();
            let mut command = serve(app, &folder);
            command.env("CIVICLENS__NATS__URL", old_nats());
            let mut process = Process::start(command);
            process.says("NATS server 2.11 or newer is required, found 2.9.0").await;
            process.says("a part of the service died").await;
            assert_eq!(process.ends().await, Some(1));
        },
    )
    .await;
}
