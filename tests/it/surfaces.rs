//! What is answered where: to the public, to operators, by a worker.

use std::sync::Arc;

use civiclens::app::{App, Overrides, RunningWorkers};
use civiclens::config::{Environment, Settings};
use civiclens_actors::domain::clock::Clock;
use civiclens_nats::subjects::Channel;
use serde_json::json;

use crate::support::{Answer, TestApp, story, story_with};

async fn status(app: &TestApp, url: String) -> u16 {
    Answer::of(app.http.get(url)).await.status
}

#[actix::test]
async fn the_public_sees_neither_metrics_nor_documentation() {
    story(async |app| {
        for path in ["/metrics", "/docs", "/docs/index.html"] {
            Answer::of(app.http.get(app.in_public(path))).await.refused(404, "not_found");
            app.gets(path).await.ok();
        }
        for path in ["/healthz", "/readyz", "/version", "/api/v1/openapi.json"] {
            assert_eq!(status(app, app.in_public(path)).await, 200, "{path}");
        }
        let api = app.at("/metrics").replace("/metrics", "/api/v1/auth/whoami");
        Answer::of(app.http.get(api)).await.refused(404, "not_found");
    })
    .await;
    story_with(
        |settings| settings.server.operator_listen = None,
        async |app| {
            app.gets("/metrics").await.refused(404, "not_found");
            app.gets("/docs").await.refused(404, "not_found");
        },
    )
    .await;
}

#[actix::test]
async fn in_development_everything_is_in_one_place() {
    story(async |app| {
        let mut settings = app.settings.clone();
        settings.environment = Environment::Development;
        settings.server.operator_listen = None;
        let other = App::start(settings, Overrides { clock: None, workers: false }).await.unwrap();
        for path in ["/metrics", "/docs", "/api/v1/openapi.json"] {
            assert_eq!(status(app, format!("{}{path}", other.url())).await, 200, "{path}");
        }
        other.stop().await.unwrap();
    })
    .await;
}

#[actix::test]
async fn a_worker_shows_operators_what_it_delivers() {
    story(async |app| {
        app.citizen("98765 43210").gets_code().await;
        let clock = Arc::clone(&app.clock) as Arc<dyn Clock>;
        let workers = RunningWorkers::start(app.settings.clone(), &[Channel::Sms], Some(clock)).await.unwrap();
        let at = |path: &str| format!("{}{path}", workers.operator_url().unwrap());
        let metrics = Answer::of(app.http.get(at("/metrics"))).await.ok();
        assert!(metrics.body.as_str().unwrap().contains("civiclens_deliveries_total"), "{metrics:?}");
        Answer::of(app.http.get(at("/healthz"))).await.ok();
        let ready = Answer::of(app.http.get(at("/readyz"))).await;
        for dependency in ["postgres", "redis", "nats", "process"] {
            assert!(ready.body["checks"][dependency].is_string(), "{ready:?}");
        }
        for path in ["/docs", "/api/v1/auth/whoami", "/api/v1/openapi.json"] {
            Answer::of(app.http.get(at(path))).await.refused(404, "not_found");
        }
        workers.stop().await.unwrap();
        let mut silent = app.settings.clone();
        silent.server.operator_listen = None;
        let workers = RunningWorkers::start(silent, &[Channel::Sms], None).await.unwrap();
        assert_eq!(workers.operator_url(), None);
        workers.stop().await.unwrap();
    })
    .await;
}

#[actix::test]
async fn the_documentation_calls_the_api_where_it_is() {
    let direct = |settings: &mut Settings| {
        settings.environment = Environment::Development;
        settings.server.public_url = None;
    };
    story_with(direct, async |app| {
        let operators = app.at("/docs").replace("/docs", "");
        let document = Answer::of(app.http.get(format!("{operators}/api/v1/openapi.json"))).await.ok();
        assert_eq!(document.body["servers"], json!([{ "url": app.in_public("") }]));
        let page = app.gets("/docs/index.html").await.ok();
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains(&format!("connect-src 'self' {};", app.in_public(""))), "{policy}");
        let public = app.gets("/api/v1/openapi.json").await.ok();
        assert!(public.body.get("servers").is_none(), "clients know where they asked");
    })
    .await;
    let proxied = |settings: &mut Settings| settings.server.public_url = Some("https://id.example/".parse().unwrap());
    story_with(proxied, async |app| {
        let operators = app.at("/docs").replace("/docs", "");
        let document = Answer::of(app.http.get(format!("{operators}/api/v1/openapi.json"))).await.ok();
        assert_eq!(document.body["servers"], json!([{ "url": "https://id.example" }]));
    })
    .await;
}

#[actix::test]
async fn what_is_large_and_the_same_for_all_is_compressed_and_nothing_else() {
    story(async |app| {
        let compressed = async |request: reqwest::RequestBuilder| {
            let answer = Answer::of(request.header("Accept-Encoding", "gzip")).await;
            let varies = answer.header("vary").unwrap_or_default().contains("accept-encoding");
            assert_eq!(answer.header("content-encoding") == Some("gzip"), varies, "{:?}", answer.headers);
            varies
        };
        let get = |path: &str| app.http.get(app.at(path));
        let script = "/docs/swagger-ui-bundle.js";
        for path in ["/api/v1/openapi.json", "/docs/index.html", script, "/metrics"] {
            assert!(compressed(get(path)).await, "{path}");
            assert_eq!(app.gets(path).await.ok().header("content-encoding"), None, "{path}");
        }
        let session = app.citizen("98765 43210").signs_in().await;
        assert!(!compressed(get("/api/v1/users/me").bearer_auth(&session.token)).await);
        assert!(!compressed(get("/api/v1/auth/whoami").bearer_auth(&session.token)).await);
        assert!(!compressed(get("/api/v1/nothing")).await);
        let page = app.gets("/docs/index.html").await.ok().body.as_str().unwrap().to_owned();
        assert!(!page.contains("http://") && !page.contains("https://"), "it loads nothing from elsewhere: {page}");
        app.gets("/docs/nothing").await.refused(404, "not_found");
    })
    .await;
}
