//! After some failed logins an account refuses every login for a while.

use futures::future::join_all;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Session, WRONG, eventually, story, story_with, totp, wrong};
use civiclens_actors::domain::clock::Clock;

const RAVI: &str = "98765 43210";

/// The account refuses logins for so many minutes more.
fn locked(answer: Answer, minutes: i64) {
    let answer = answer.refused(429, "account_locked");
    assert_eq!(answer.number("retry-after"), minutes * 60);
    assert_eq!((answer.number("ratelimit-remaining"), answer.number("ratelimit-reset")), (0, minutes * 60));
}

#[actix::test]
async fn five_failures_lock_the_account_for_half_an_hour() {
    story(async |app| {
        let ravi = app.signs_up(RAVI).await;
        app.guesses(RAVI, 5).await;
        let at = app.clock.now();
        locked(app.logs_in(RAVI, PASSWORD).await, 30);
        app.minutes_pass(29);
        locked(app.logs_in(RAVI, PASSWORD).await, 1);
        ravi.whoami().await.ok();
        app.signs_up("98765 43211").await;
        app.minutes_pass(1);
        app.logs_in(RAVI, PASSWORD).await.ok();

        let record = app.audited("auth.account_locked").await;
        assert_eq!(record.len(), 1);
        assert_eq!((record[0].user, record[0].actor), (Some(ravi.user_id()), None));
        assert_eq!(record[0].details["minutes"], 30);
        let locks = app.events_of("event.security.account_locked", 1).await;
        let data = &locks[0].body["data"];
        assert_eq!((&data["user_id"], &data["reason"]), (&json!(ravi.user_id()), &json!("too_many_attempts")));
        let time = |field: &str| data[field].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        assert_eq!(time("locked_at").timestamp_millis(), at.timestamp_millis());
        assert_eq!(time("locked_until") - time("locked_at"), chrono::Duration::minutes(30));
        let failures = app.events_of("event.security.login_failed", 7).await;
        let reasons: Vec<_> = failures.iter().map(|event| event.body["data"]["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons, [["wrong_password"; 5].as_slice(), &["locked"; 2]].concat());
        for event in failures {
            let data = &event.body["data"];
            assert_eq!((&data["user_id"], &data["method"]), (&json!(ravi.user_id()), &json!("password")));
            assert_eq!(event.body["subject"], ravi.user_id().to_string());
            assert!(!event.body.to_string().contains("98765"), "no phone leaves with an event: {event:?}");
        }
    })
    .await;
}

#[actix::test]
async fn its_owner_is_told_by_mail_or_else_by_sms() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, "98765 00002", "nodal_officer").await;
        app.signs_up(RAVI).await;
        app.guesses(RAVI, 5).await;
        app.guesses("98765 00002", 5).await;
        let sms = eventually("an SMS", async || app.twilio.messages_to("+919876543210").get(1).cloned()).await;
        assert!(sms.body.contains("locked") && sms.body.contains("30"), "{}", sms.body);
        let address = "officer.9876500002@example.org";
        let mail = eventually("a letter", async || app.mail.messages_to(address).first().cloned()).await;
        assert!(mail.subject.contains("locked") && mail.text.contains("30 minutes"), "{mail:?}");
        assert!(app.twilio.messages_to("+919876500002").is_empty(), "one message is enough");
    })
    .await;
}

#[actix::test]
async fn each_lock_is_longer_until_the_owner_comes_in() {
    story(async |app| {
        app.signs_up(RAVI).await;
        for minutes in [30, 60, 120] {
            app.guesses(RAVI, 5).await;
            locked(app.logs_in(RAVI, WRONG).await, minutes);
            app.minutes_pass(minutes);
        }
        app.logs_in(RAVI, PASSWORD).await.ok();
        app.guesses(RAVI, 5).await;
        locked(app.logs_in(RAVI, PASSWORD).await, 30);
        let minutes = app.audited("auth.account_locked").await;
        let minutes: Vec<_> = minutes.iter().map(|record| record.details["minutes"].clone()).collect();
        assert_eq!(minutes, [30, 60, 120, 30]);
    })
    .await;
}

#[actix::test]
async fn who_knocks_while_it_is_locked_makes_it_no_longer() {
    story(async |app| {
        app.signs_up(RAVI).await;
        app.guesses(RAVI, 5).await;
        for _ in 0..6 {
            app.minutes_pass(4);
            app.logs_in(RAVI, WRONG).await.refused(429, "account_locked");
        }
        app.minutes_pass(6);
        app.guesses(RAVI, 4).await;
        app.logs_in(RAVI, PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn only_failures_count_and_a_login_forgives_them() {
    story(async |app| {
        app.signs_up(RAVI).await;
        for _ in 0..20 {
            assert_eq!(app.logs_in(RAVI, PASSWORD).await.ok().number("ratelimit-remaining"), 5);
        }
        for _ in 0..3 {
            app.guesses(RAVI, 4).await;
            app.logs_in(RAVI, PASSWORD).await.ok();
            app.minutes_pass(15);
        }
        assert_eq!(app.audited("auth.account_locked").await, []);
        // Without the login between them they are five.
        app.guesses(RAVI, 4).await;
        app.minutes_pass(15);
        app.guesses(RAVI, 1).await;
        locked(app.logs_in(RAVI, PASSWORD).await, 30);
    })
    .await;
}

#[actix::test]
async fn twenty_guesses_at_once_are_five() {
    // The lock alone must see to it.
    let unlimited = |settings: &mut civiclens::config::Settings| settings.rate_limit.login.count = 1_000;
    story_with(unlimited, async |app| {
        app.signs_up(RAVI).await;
        let other = app.replica().await;
        let guesses = (0..20).map(|number| if number % 2 == 0 { app } else { &other }.logs_in(RAVI, WRONG));
        let answers = join_all(guesses).await;
        let judged = answers.iter().filter(|answer| answer.status == 401).count();
        assert_eq!(judged, 5);
        assert!(answers.iter().all(|answer| answer.status == 401 || answer.status == 429), "{answers:?}");
        assert_eq!(app.failures().await.iter().filter(|reason| *reason == "wrong_password").count(), 5);
        assert_eq!(app.audited("auth.account_locked").await.len(), 1);
        locked(other.logs_in(RAVI, PASSWORD).await, 30);
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn wrong_codes_and_wrong_passwords_are_counted_together() {
    story(async |app| {
        app.signs_up(RAVI).await;
        let ravi = app.citizen(RAVI);
        ravi.sms().await;
        let code = ravi.gets_code().await;
        for _ in 0..3 {
            ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        }
        app.guesses(RAVI, 2).await;
        locked(app.logs_in(RAVI, PASSWORD).await, 30);
        let refused = ravi.enters(&code).await.refused(429, "otp_attempts_exceeded");
        assert_eq!(refused.number("retry-after"), 30 * 60);

        app.minutes_pass(31);
        assert!(ravi.sms().await.contains("locked"));
        app.guesses(RAVI, 4).await;
        let code = ravi.gets_code().await;
        ravi.enters(&wrong(&code)).await.refused(401, "otp_invalid");
        locked(app.logs_in(RAVI, PASSWORD).await, 60);
        let methods = app.audited("auth.login_failed").await;
        assert_eq!(methods.iter().filter(|record| record.details["method"] == "otp").count(), 5);
    })
    .await;
}

#[actix::test]
async fn a_password_that_is_the_first_of_two_steps_forgives_nothing() {
    story(async |app| {
        app.has_admin("98765 00001").await;
        let (_, secret) = app.admin_signs_in("98765 00001").await;
        let second = async |step: &Answer| {
            app.minutes_pass(1);
            let body = json!({ "mfa_token": step.body["mfa_token"], "code": totp(&secret, app.clock.now()) });
            Session::of(app, app.posts("/api/v1/auth/verify-2fa", body).await.ok())
        };
        app.guesses("98765 00001", 4).await;
        let step = app.logs_in("98765 00001", PASSWORD).await.asks_for_more();
        second(&step).await;
        app.minutes_pass(15);
        app.guesses("98765 00001", 4).await;
        app.logs_in("98765 00001", PASSWORD).await.asks_for_more();
        app.guesses("98765 00001", 1).await;
        locked(app.logs_in("98765 00001", PASSWORD).await, 30);
    })
    .await;
}

#[actix::test]
async fn an_administrator_ends_a_lock() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, "98765 00002", "nodal_officer").await;
        let ravi = app.signs_up(RAVI).await;
        let token = app.logs_in(RAVI, PASSWORD).await.ok().text("device_token");
        let device = json!({ "token": token });
        let path = format!("/api/v1/admin/users/{}/unlock", ravi.user_id());
        app.guesses(RAVI, 5).await;
        for _ in 0..5 {
            app.logs_in_on(device.clone(), RAVI, WRONG).await.refused(401, "credentials_invalid");
        }
        locked(app.logs_in(RAVI, PASSWORD).await, 30);
        locked(app.logs_in_on(device.clone(), RAVI, PASSWORD).await, 30);

        let officer = app.enters("98765 00002").await;
        for other in [&officer, &ravi] {
            app.posts_as(&other.token, &path, json!({})).await.refused(403, "forbidden");
        }
        app.posts(&path, json!({})).await.refused(401, "unauthenticated");
        app.posts_as(&admin.token, "/api/v1/admin/users/999999/unlock", json!({})).await.refused(404, "not_found");
        locked(app.logs_in(RAVI, PASSWORD).await, 30);

        app.posts_as(&admin.token, &path, json!({})).await.ok();
        // Forgotten are the lock, the failures before it, and what they took of the budget; for the device as well.
        app.guesses(RAVI, 4).await;
        app.logs_in(RAVI, PASSWORD).await.ok();
        app.guesses(RAVI, 1).await;
        app.logs_in_on(device.clone(), RAVI, PASSWORD).await.ok();
        let unlocked = app.audited("auth.account_unlocked").await;
        assert_eq!(unlocked.len(), 1);
        assert_eq!((unlocked[0].user, unlocked[0].actor), (Some(ravi.user_id()), Some(admin.user_id())));
    })
    .await;
}
