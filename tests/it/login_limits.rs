//! How many logins may fail in a while: for a phone, and from an address.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens::config::Settings;
use civiclens::embedded::Service;
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::limit::Rate;
use futures::future::join_all;
use serde_json::json;

use crate::support::{OwnStack, PASSWORD, WRONG, eventually, story_on, story_with};

const RAVI: &str = "98765 43210";

#[actix::test]
async fn no_window_of_a_quarter_of_an_hour_holds_more_than_five_failures() {
    let unlocked = |settings: &mut Settings| {
        settings.account.max_login_attempts = 1_000;
        settings.rate_limit.login_per_address.count = 10_000;
    };
    story_with(unlocked, async |app| {
        let window = chrono::Duration::minutes(15);
        let mut admitted: VecDeque<DateTime<Utc>> = VecDeque::new();
        let (mut step, mut refusals) = (0u32, 0);
        for _ in 0..150 {
            // Unequal steps, many of them short, some to the very millisecond at which one is free again.
            step = (step * 73 + 41) % 211;
            let free = admitted.front().map_or(app.clock.now(), |oldest| *oldest + window);
            let left = free - app.clock.now();
            let on_time = step.is_multiple_of(5) && left > chrono::Duration::zero();
            let tick = chrono::Duration::milliseconds(1);
            app.clock.advance(if on_time { left - tick } else { chrono::Duration::seconds(i64::from(step)) });
            for _ in 0..if on_time { 2 } else { 1 } {
                let now = app.clock.now();
                while admitted.front().is_some_and(|oldest| *oldest + window <= now) {
                    admitted.pop_front();
                }
                let answer = app.logs_in(RAVI, WRONG).await;
                assert_eq!(answer.number("ratelimit-limit"), 5);
                let reset = |oldest: &DateTime<Utc>| {
                    let milliseconds = (*oldest + window).timestamp_millis() - now.timestamp_millis();
                    (milliseconds + 999) / 1_000
                };
                if admitted.len() < 5 {
                    let answer = answer.refused(401, "credentials_invalid");
                    admitted.push_back(now);
                    let left = 5 - i64::try_from(admitted.len()).unwrap();
                    assert_eq!(answer.number("ratelimit-remaining"), left);
                    let until = if left == 0 { reset(&admitted[0]) } else { 0 };
                    assert_eq!(answer.number("ratelimit-reset"), until);
                } else {
                    let answer = answer.refused(429, "rate_limited");
                    refusals += 1;
                    assert_eq!(answer.number("ratelimit-remaining"), 0);
                    assert_eq!(answer.number("ratelimit-reset"), reset(&admitted[0]));
                    assert_eq!(answer.number("retry-after"), reset(&admitted[0]));
                }
                app.clock.advance(tick);
            }
        }
        assert!(refusals > 20, "the schedule is dense enough to reach the limit: {refusals}");
    })
    .await;
}

#[actix::test]
async fn one_address_cannot_try_a_password_on_everybody() {
    let narrow = |settings: &mut Settings| {
        settings.rate_limit.login_per_address = Rate { count: 6, window: Duration::from_mins(15) };
    };
    story_with(narrow, async |app| {
        app.signs_up(RAVI).await;
        for _ in 0..8 {
            app.logs_in(RAVI, PASSWORD).await.ok();
        }
        for number in 0..6 {
            // No proxy is trusted here: what a client says of its address is nothing.
            let phone = format!("98765 1000{number}");
            let answer = app.logs_in_from(&format!("198.51.100.{number}"), &phone, WRONG).await;
            answer.refused(401, "credentials_invalid");
        }
        let answer = app.logs_in_from("198.51.100.9", RAVI, PASSWORD).await.refused(429, "rate_limited");
        assert_eq!((answer.number("ratelimit-limit"), answer.number("ratelimit-remaining")), (6, 0));
        assert_eq!(answer.number("retry-after"), 15 * 60);
        // Nobody's account is the worse for it.
        assert_eq!(app.audited("auth.account_locked").await, []);
        app.minutes_pass(15);
        app.logs_in(RAVI, PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn an_address_is_that_of_the_subscriber_behind_trusted_proxies() {
    let proxied = |settings: &mut Settings| {
        settings.server.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        settings.rate_limit.login_per_address.count = 2;
    };
    story_with(proxied, async |app| {
        let mut phones = (0..100).map(|number| format!("98765 100{number:02}"));
        let mut fails = async |address: &str| app.logs_in_from(address, &phones.next().unwrap(), WRONG).await;
        for address in ["198.51.100.1", "203.0.113.9, 198.51.100.1, 10.1.2.3"] {
            fails(address).await.refused(401, "credentials_invalid");
        }
        for address in ["198.51.100.1", "203.0.113.9, 198.51.100.1", "::ffff:198.51.100.1"] {
            fails(address).await.refused(429, "rate_limited");
        }
        fails("198.51.100.2").await.refused(401, "credentials_invalid");
        // A subscriber has a /64 of IPv6 whole.
        for address in ["2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"] {
            fails(address).await.refused(401, "credentials_invalid");
        }
        fails("2001:db8:1:2:8000::7").await.refused(429, "rate_limited");
        fails("2001:db8:1:3::1").await.refused(401, "credentials_invalid");
    })
    .await;
}

#[actix::test]
async fn who_knocks_at_locked_accounts_uses_the_address_up() {
    let narrow = |settings: &mut Settings| settings.rate_limit.login_per_address.count = 8;
    story_with(narrow, async |app| {
        app.guesses(RAVI, 5).await;
        for _ in 0..3 {
            app.logs_in(RAVI, WRONG).await.refused(429, "account_locked");
        }
        app.logs_in(RAVI, WRONG).await.refused(429, "rate_limited");
    })
    .await;
}

#[actix::test]
async fn without_redis_no_way_in_is_open_and_who_is_in_goes_on() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let ravi = app.signs_up(RAVI).await;
        let officer = app.admin().await;
        stack.loses(Service::Redis).await;
        app.logs_in(RAVI, PASSWORD).await.refused(503, "dependency_unavailable");
        app.logs_in(RAVI, WRONG).await.refused(503, "dependency_unavailable");
        let signup = json!({ "phone": "98765 43211", "full_name": "Meera Iyer", "password": PASSWORD });
        for (route, body) in [
            ("signup", signup),
            ("request-otp", json!({ "phone": RAVI })),
            ("forgot-password", json!({ "phone": RAVI })),
            ("forgot-password", json!({ "email": "meera@example.org" })),
        ] {
            let answer = app.posts(&format!("/api/v1/auth/{route}"), body).await;
            answer.refused(503, "dependency_unavailable");
        }
        ravi.whoami().await.ok();
        ravi.me().await.ok();
        app.gets_as(&ravi.token, "/api/v1/auth/sessions").await.ok();
        officer.me().await.ok();
        stack.regains(Service::Redis).await;
        app.becomes_ready().await;
        let back = async || (app.logs_in(RAVI, PASSWORD).await.status == 200).then_some(());
        eventually("logins again", back).await;
        assert_eq!(app.count("SELECT count(*) FROM users").await, 2);
    })
    .await;
    stack.ends().await;
}

#[actix::test]
async fn an_account_that_locks_after_more_failures_is_limited_before() {
    let patient = |settings: &mut Settings| settings.account.max_login_attempts = 7;
    story_with(patient, async |app| {
        app.signs_up(RAVI).await;
        let answers = join_all((0..20).map(|_| app.logs_in(RAVI, WRONG))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 5);
        let answer = app.logs_in(RAVI, PASSWORD).await.refused(429, "rate_limited");
        assert_eq!(answer.number("retry-after"), 15 * 60);
        app.minutes_pass(15);
        app.guesses(RAVI, 2).await;
        app.logs_in(RAVI, PASSWORD).await.refused(429, "account_locked");
    })
    .await;
}
