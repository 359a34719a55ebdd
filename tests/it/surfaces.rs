//! What is answered where: to the public, to operators, by a worker.

use std::sync::Arc;

use civiclens::app::{App, Overrides, RunningWorkers};
use civiclens::config::Environment;
use civiclens_actors::domain::clock::Clock;

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
        let workers = RunningWorkers::start(app.settings.clone(), Some(clock)).await.unwrap();
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
        let workers = RunningWorkers::start(silent, None).await.unwrap();
        assert_eq!(workers.operator_url(), None);
        workers.stop().await.unwrap();
    })
    .await;
}
