//! What every route has in common.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::support::{Answer, TestApp, story};

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

#[actix::test]
async fn answers_carry_the_security_headers() {
    story(async |app| {
        let answer = app.citizen("98765 43210").requests_code().await.ok();
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("strict-transport-security").is_some());
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
