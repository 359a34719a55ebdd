//! What every route has in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens::app::{App, Overrides};
use civiclens::config::Settings;
use civiclens_actors::domain::clock::{Clock, SystemClock};
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, TestApp, eventually, story, story_with};

const REQUEST: &str = "/api/v1/auth/request-otp";

async fn sends(app: &TestApp, content_type: &str, body: impl Into<reqwest::Body>) -> Answer {
    Answer::of(app.http.post(app.at(REQUEST)).header(CONTENT_TYPE, content_type).body(body)).await
}

#[actix::test]
async fn bodies_that_cannot_be_read_are_refused() {
    story(async |app| {
        let json = "application/json";
        for malformed in ["", "{", "{\"phone\":", "{\"phone\": \"9876543210\"} x"] {
            sends(app, json, malformed).await.refused(400, "malformed_request");
        }
        sends(app, json, "{}").await.refused(422, "invalid").blames("phone", "required");
        sends(app, json, "{\"phone\": 9876543210}").await.refused(422, "invalid").blames("phone", "invalid_type");
        sends(app, json, "[]").await.refused(422, "invalid");
        sends(app, "text/plain", "{\"phone\": \"9876543210\"}").await.refused(415, "unsupported_media_type");
        sends(app, "application/x-www-form-urlencoded", "phone=1").await.refused(415, "unsupported_media_type");
        let large = json!({ "phone": "9".repeat(70_000) }).to_string();
        sends(app, json, large).await.refused(413, "payload_too_large");
        let phones = ["", "12", "not a phone", "98765 4321", "98765 43210 98765 43210"];
        for phone in phones {
            let answer = sends(app, json, json!({ "phone": phone }).to_string()).await;
            assert_eq!(answer.refused(422, "invalid").body["errors"][0]["field"], "phone", "{phone}");
        }
        assert_eq!(app.twilio.posts(), 0);
    })
    .await;
}

#[actix::test]
async fn paths_and_methods_that_are_not_there_say_so() {
    story(async |app| {
        app.gets("/api/v1/nothing").await.refused(404, "not_found");
        app.gets("/").await.refused(404, "not_found");
        let answer = app.gets(REQUEST).await.refused(405, "method_not_allowed");
        assert!(answer.header("allow").is_some_and(|methods| methods.contains("POST")), "{answer:?}");
        let request = app.http.request(Method::DELETE, app.at("/api/v1/auth/whoami"));
        let answer = Answer::of(request).await.refused(405, "method_not_allowed");
        assert!(answer.header("allow").is_some_and(|methods| methods.contains("GET")), "{answer:?}");
    })
    .await;
}

#[actix::test]
async fn a_trailing_slash_changes_nothing() {
    story(async |app| {
        let request = app.http.post(app.at("/api/v1/auth/request-otp/")).json(&json!({ "phone": "98765 43210" }));
        Answer::of(request).await.ok();
        let session = app.citizen("98765 43211").signs_in().await;
        session.through(app).gets("/api/v1/users/me/").await.ok();
    })
    .await;
}

#[actix::test]
async fn a_harmless_request_id_is_kept_and_another_replaced() {
    story(async |app| {
        let with = async |id: &str| {
            let answer = Answer::of(app.http.get(app.at("/healthz")).header("X-Request-Id", id)).await;
            answer.header("x-request-id").unwrap().to_owned()
        };
        assert_eq!(with("client-0123456789").await, "client-0123456789");
        assert_ne!(with("no spaces please").await, "no spaces please");
        assert_ne!(with("short").await, "short");
    })
    .await;
}

/// What a client gets that writes its own bytes.
async fn says(app: &TestApp, request: &str) -> String {
    let at = app.at("");
    let mut stream = TcpStream::connect(at.trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that does not want the rest may cut the connection after its answer.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[actix::test]
async fn a_body_of_unknown_length_is_cut_off_at_the_limit() {
    story(async |app| {
        let chunk = format!("4000\r\n{}\r\n", "9".repeat(0x4000)).repeat(5);
        let head =
            format!("POST {REQUEST} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n");
        let answer = says(app, &format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.contains("content-type: application/problem+json"), "{answer}");
        assert!(answer.contains("\"code\":\"payload_too_large\""), "{answer}");
    })
    .await;
}

#[actix::test]
async fn nobody_is_shown_what_they_sent() {
    story(async |app| {
        let answer = Answer::of(app.http.request(Method::TRACE, app.at("/healthz"))).await;
        let answer = answer.refused(405, "method_not_allowed");
        assert!(answer.header("allow").is_some(), "{answer:?}");
    })
    .await;
}

#[actix::test]
async fn a_request_that_takes_too_long_is_answered_all_the_same() {
    let impatient = |settings: &mut Settings| settings.server.request_timeout = Duration::from_secs(2);
    story_with(impatient, async |app| {
        let ravi = app.citizen("98765 43210");
        ravi.signs_in().await;
        let code = ravi.gets_code().await;
        let mut held = app.db.begin().await.unwrap();
        sqlx::query("SELECT id FROM users FOR UPDATE").execute(&mut *held).await.unwrap();
        ravi.enters(&code).await.refused(408, "request_timeout");
        held.rollback().await.unwrap();
        app.gets("/healthz").await.ok();
    })
    .await;
}

/// A clock that can be made to fail whoever looks at it next.
#[derive(Debug, Default)]
struct Faulty(AtomicBool);

impl Clock for Faulty {
    fn now(&self) -> DateTime<Utc> {
        if self.0.swap(false, Ordering::Relaxed) {
            std::panic::resume_unwind(Box::new("as the story wants it"));
        }
        SystemClock.now()
    }
}

#[actix::test]
async fn a_panic_costs_one_answer_and_nothing_else() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        let clock = Arc::new(Faulty::default());
        let overrides = Overrides { clock: Some(Arc::clone(&clock) as Arc<dyn Clock>), workers: false };
        let other = App::start(app.settings.clone(), overrides).await.unwrap();
        // With an id of its own, so that the first to look at the clock is the endpoint.
        let asks = async || {
            let whoami = app.http.get(format!("{}/api/v1/auth/whoami", other.url())).bearer_auth(&session.token);
            Answer::of(whoami.header("X-Request-Id", "panics-12345678")).await
        };
        asks().await.ok();
        // Something in the background may be faster, now and then.
        let failed = eventually("a panic", async || {
            clock.0.store(true, Ordering::Relaxed);
            let answer = asks().await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        let failed = failed.refused(500, "internal");
        assert!(!failed.body.to_string().contains("story"), "{failed:?}");
        asks().await.ok();
        other.stop().await.unwrap();
    })
    .await;
}

#[actix::test]
async fn operators_see_that_it_works() {
    story(async |app| {
        app.gets("/healthz").await.ok();
        let ready = app.gets("/readyz").await.ok().body.to_string();
        for dependency in ["postgres", "redis", "nats"] {
            assert!(ready.contains(dependency), "{ready}");
        }
        app.gets("/version").await.ok();
        let metrics = app.gets("/metrics").await.ok();
        assert!(metrics.body.as_str().unwrap().contains("civiclens_http_requests_total"));
        let document = app.gets("/api/v1/openapi.json").await.ok();
        assert!(document.body["openapi"].as_str().unwrap().starts_with("3.1"));
    })
    .await;
}
