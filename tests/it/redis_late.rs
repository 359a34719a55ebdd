//! Redis that does what it is asked and answers too late: nothing is lost by it, and nothing is done twice.

use std::cell::OnceCell;
use std::time::Duration;

use serde_json::json;

use crate::support::{PASSWORD, Proxy, TestApp, eventually, story_with, wrong};

const PHONE: &str = "+91 98765 43210";
/// Longer than anybody waits for Redis.
const LATE: Duration = Duration::from_secs(5);

/// Tells a story about a service that reaches Redis through a proxy.
async fn with_proxy(told: impl AsyncFnOnce(&TestApp, &Proxy)) {
    let proxy = OnceCell::new();
    let configure = |settings: &mut civiclens::config::Settings| {
        proxy.get_or_init(|| Proxy::before(settings.redis.url.expose())).takes_over(&mut settings.redis.url);
    };
    story_with(configure, async |app| told(app, proxy.get().unwrap()).await).await;
}

#[actix::test]
async fn a_code_that_was_spent_too_late_to_be_told_is_good() {
    with_proxy(async |app, proxy| {
        let ravi = app.citizen(PHONE);
        let code = ravi.gets_code().await;
        proxy.answers_late(LATE);
        ravi.enters(&code).await.refused(503, "dependency_unavailable");
        proxy.forwards_again();
        let opened = eventually("a session", async || {
            let answer = ravi.enters(&code).await;
            (answer.status == 200).then_some(answer)
        });
        let opened = opened.await;
        app.whoami(&opened.text("access_token")).await.ok();
        ravi.enters(&code).await.refused(401, "otp_invalid");
        assert_eq!(app.live_sessions().await, 1);
        assert_eq!(app.failures().await, Vec::<String>::new());
    })
    .await;
}

#[actix::test]
async fn a_code_that_was_asked_for_in_vain_costs_nothing() {
    with_proxy(async |app, proxy| {
        let ravi = app.citizen(PHONE);
        proxy.answers_late(LATE);
        ravi.requests_code().await.refused(503, "dependency_unavailable");
        proxy.forwards_again();
        app.becomes_ready().await;
        // It is given back as soon as Redis answers: three can be had, and no more.
        eventually("the whole budget", async || {
            let dump = app.redis_dump().await;
            (!dump.contains("limit:otp:") && !dump.contains("otp:login:")).then_some(())
        })
        .await;
        for _ in 0..3 {
            ravi.gets_code().await;
        }
        ravi.requests_code().await.refused(429, "rate_limited");
        assert_eq!(app.twilio.messages_to(&ravi.e164()).len(), 3);
    })
    .await;
}

#[actix::test]
async fn a_wrong_code_is_counted_once_however_late_it_is_told() {
    with_proxy(async |app, proxy| {
        let ravi = app.citizen(PHONE);
        let code = ravi.gets_code().await;
        // Late enough to be asked again, and soon enough to be heard then.
        proxy.answers_late(Duration::from_millis(2_500));
        let guess = json!({ "phone": PHONE, "otp": wrong(&code) });
        let answer = app.posts("/api/v1/auth/verify-otp", guess).await;
        assert!(answer.status == 401 || answer.status == 503, "{answer:?}");
        proxy.forwards_again();
        app.becomes_ready().await;
        for _ in 0..3 {
            ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        }
        ravi.enters(&code).await.ok();
    })
    .await;
}

#[actix::test]
async fn logins_that_nobody_could_judge_count_for_nothing() {
    with_proxy(async |app, proxy| {
        app.signs_up(PHONE).await.logs_out().await.ok();
        proxy.answers_late(LATE);
        app.logs_in(PHONE, PASSWORD).await.refused(503, "dependency_unavailable");
        proxy.forwards_again();
        app.becomes_ready().await;
        let in_hand = async || (!app.redis_dump().await.contains("login_in_hand")).then_some(());
        eventually("nothing in hand", in_hand).await;
        assert!(!app.redis_dump().await.contains("limit:login:"), "{}", app.redis_dump().await);
        app.guesses(PHONE, 4).await;
        app.enters(PHONE).await.whoami().await.ok();
    })
    .await;
}
