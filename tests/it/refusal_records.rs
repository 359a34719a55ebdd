//! Nobody fills the log, or the service, by asking again and again.

use std::time::Duration;

use civiclens::config::Settings;
use civiclens_actors::domain::limit::Rate;
use futures::future::join_all;
use serde_json::json;

use crate::support::{Answer, PASSWORD, TestApp, eventually, story, story_with};

const RAVI: &str = "98765 43210";

/// The rows of an action, and how many refusals they tell of.
async fn told(app: &TestApp, action: &'static str) -> (i64, i64) {
    let sql = "SELECT count(*), coalesce(sum(coalesce((details->>'count')::bigint, 1)), 0)::bigint
               FROM audit_log WHERE action = $1";
    sqlx::query_as(sql).bind(action).fetch_one(&app.db).await.unwrap()
}

async fn becomes(app: &TestApp, action: &'static str, expected: (i64, i64)) {
    let look = async || (told(app, action).await == expected).then_some(());
    eventually(&format!("{expected:?} of {action}"), look).await;
}

#[actix::test]
async fn refusals_that_are_alike_become_a_number() {
    story(async |app| {
        let (ravi, meera) = (app.signs_up(RAVI).await, app.signs_up("98765 43211").await);
        let denied = async |token: &str| {
            let answers = join_all((0..150).map(|_| app.posts_as(token, "/api/v1/admin/users/1/unlock", json!({}))));
            for answer in answers.await {
                answer.refused(403, "forbidden");
            }
        };
        denied(&ravi.token).await;
        becomes(app, "auth.denied", (20, 20)).await;
        // Another person is another matter.
        denied(&meera.token).await;
        becomes(app, "auth.denied", (40, 40)).await;
        app.minutes_pass(1);
        becomes(app, "auth.denied", (42, 300)).await;
        let numbers = app.audited("auth.denied").await;
        let number = numbers.iter().find(|row| row.details.get("count").is_some()).unwrap();
        assert_eq!((&number.details["count"], &number.details["code"]), (&json!(130), &json!("forbidden")));
        assert!([ravi.user_id(), meera.user_id()].contains(&number.user.unwrap()));
        assert_eq!(
            app.count("SELECT count(*) FROM audit_log WHERE details ? 'count' AND ip_address = '127.0.0.1'").await,
            2
        );
        denied(&ravi.token).await;
        becomes(app, "auth.denied", (62, 320)).await;
    })
    .await;
}

#[actix::test]
async fn a_dead_refresh_token_is_recorded_some_times_and_nothing_is_lost_at_the_end() {
    story(async |app| {
        let ravi = app.signs_up(RAVI).await;
        let token = ravi.answer.body["refresh_token"].as_str().unwrap();
        ravi.logs_out().await.ok();
        let replica = app.replica().await;
        for answer in join_all((0..120).map(|_| replica.refreshes(token))).await {
            answer.refused(401, "refresh_token_invalid");
        }
        becomes(app, "session.refresh_refused", (20, 20)).await;
        replica.stop().await;
        becomes(app, "session.refresh_refused", (21, 120)).await;
    })
    .await;
}

#[actix::test]
async fn a_session_is_refreshed_sixty_times_an_hour() {
    story(async |app| {
        let ravi = app.signs_up(RAVI).await;
        let token = |answer: &Answer| answer.body["refresh_token"].as_str().unwrap().to_owned();
        let (mut newest, mut before) = (token(&ravi.answer), String::new());
        for _ in 0..60 {
            before = std::mem::take(&mut newest);
            newest = token(&app.refreshes(&before).await.ok());
        }
        app.minutes_pass(20);
        let refused = app.refreshes(&newest).await.refused(429, "rate_limited");
        assert_eq!((refused.number("retry-after"), refused.number("ratelimit-limit")), (40 * 60, 60));
        // The one before goes on to answer the same successor, however often, and the session goes on.
        for _ in 0..5 {
            assert_eq!(token(&app.refreshes(&before).await.ok()), newest);
        }
        // Another session is another matter.
        let other = app.logs_in(RAVI, PASSWORD).await.ok();
        app.refreshes(&token(&other)).await.ok();
        app.minutes_pass(40);
        app.refreshes(&newest).await.ok();
        assert_eq!(app.audited("auth.refresh_reused").await, []);
    })
    .await;
}

#[actix::test]
async fn an_address_has_so_many_requests_and_who_is_signed_in_is_always_told_so() {
    let narrow = |settings: &mut Settings| {
        settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        settings.rate_limit.requests_per_address = Rate { count: 30, window: Duration::from_mins(1) };
        settings.rate_limit.exempt_networks = vec!["203.0.113.0/24".parse().unwrap()];
    };
    story_with(narrow, async |app| {
        let ravi = app.signs_up(RAVI).await;
        let from = async |address: &str, path: &str| {
            let request = app.http.get(app.at(path)).bearer_auth(&ravi.token).header("X-Forwarded-For", address);
            Answer::of(request).await
        };
        for number in 0..30 {
            let path = ["/api/v1/auth/sessions", "/api/v1/openapi.json", "/api/v1/nowhere"][number % 3];
            assert_ne!(from("198.51.100.1", path).await.status, 429);
        }
        for path in ["/api/v1/auth/sessions", "/api/v1/openapi.json", "/.well-known/jwks.json", "/api/v1/nowhere"] {
            let refused = from("198.51.100.1", path).await.refused(429, "rate_limited");
            assert_eq!((refused.number("retry-after"), refused.number("ratelimit-limit")), (2, 30), "{path}");
        }
        for path in ["/api/v1/auth/whoami", "/api/v1/users/me", "/api/v1/users/me/", "/api/v1/health", "/healthz"] {
            from("198.51.100.1", path).await.ok();
        }
        from("198.51.100.2", "/api/v1/auth/sessions").await.ok();
        for _ in 0..40 {
            from("203.0.113.7", "/.well-known/jwks.json").await.ok();
        }
        app.clock.advance(chrono::Duration::seconds(2));
        from("198.51.100.1", "/api/v1/auth/sessions").await.ok();
        from("198.51.100.1", "/api/v1/auth/sessions").await.refused(429, "rate_limited");
    })
    .await;
}
