//! However slowly somebody guesses: after a hundred failures in a row an authenticator is off until it is set anew.

use civiclens::config::Settings;
use serde_json::json;

use crate::support::{PASSWORD, Session, TestApp, WRONG, story_with, wrong};

const PHONE: &str = "98765 43210";

/// Nothing else stops whoever guesses.
fn patient(settings: &mut Settings) {
    settings.account.max_login_attempts = 1_000;
    let limits = &mut settings.rate_limit;
    for rate in [&mut limits.login, &mut limits.login_per_address, &mut limits.proofs, &mut limits.proofs_per_address] {
        rate.count = 100_000;
    }
}

async fn kept(app: &TestApp) -> serde_json::Value {
    sqlx::query_scalar("SELECT authenticator_failures FROM users WHERE phone = '+919876543210'")
        .fetch_one(&app.db)
        .await
        .unwrap()
}

#[actix::test]
async fn a_password_that_was_wrong_a_hundred_times_in_a_row_is_off_until_it_is_reset() {
    story_with(patient, async |app| {
        let ravi = app.signs_up(PHONE).await;
        app.signs_up("98765 43211").await;
        app.guesses(PHONE, 60).await;
        // Wherever it is asked for, it is one count; a success ends it.
        let body = json!({ "password": WRONG });
        for _ in 0..39 {
            app.posts_as(&ravi.token, "/api/v1/auth/verify-password", body.clone())
                .await
                .refused(422, "password_wrong");
        }
        assert_eq!(kept(app).await, json!({ "password": 99 }));
        app.logs_in(PHONE, PASSWORD).await.ok();
        assert_eq!(kept(app).await, json!({}));
        assert_eq!(app.audited("auth.authenticator_off").await, []);

        app.guesses(PHONE, 100).await;
        app.logs_in(PHONE, PASSWORD).await.refused(401, "credentials_invalid");
        assert_eq!(kept(app).await, json!({ "password": 100 }));
        let record = app.audited("auth.authenticator_off").await;
        assert_eq!((record.len(), record[0].user), (1, Some(ravi.user_id())));
        assert_eq!(record[0].details, json!({ "authenticator": "password", "failures": 100 }));
        let event = app.events_of("event.security.authenticator_off", 1).await;
        let data = &event[0].body["data"];
        assert_eq!((&data["user_id"], &data["authenticator"]), (&json!(ravi.user_id()), &json!("password")));

        // Nobody else is the worse for it, and its owner has other ways in.
        app.logs_in("98765 43211", PASSWORD).await.ok();
        ravi.whoami().await.ok();
        app.minutes_pass(60);
        let person = app.citizen(PHONE);
        let sent = app.twilio.messages_to(&person.e164()).len();
        app.posts("/api/v1/auth/forgot-password", json!({ "phone": PHONE })).await.ok();
        let code = app.code_after(&person.e164(), sent).await;
        let reset = json!({ "phone": PHONE, "reset_token": code, "new_password": "Quartz-Lantern-7" });
        app.posts("/api/v1/auth/reset-password", reset).await.ok();
        app.logs_in(PHONE, "Quartz-Lantern-7").await.ok();
        assert_eq!(kept(app).await, json!({}));
    })
    .await;
}

#[actix::test]
async fn an_app_that_was_wrong_a_hundred_times_in_a_row_is_off_until_a_backup_code_is_right() {
    story_with(patient, async |app| {
        let factor = app.sets_up_totp(&app.signs_up(PHONE).await).await;
        let guess = async |count: usize| {
            let step = app.first_step(PHONE).await;
            for _ in 0..count {
                let code = wrong(&factor.code(app, 0));
                app.second_step(&step, &code, Some("totp")).await.refused(401, "second_factor_invalid");
            }
            step
        };
        guess(99).await;
        app.minutes_pass(1);
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &factor.code(app, 0), Some("totp")).await.ok();
        assert_eq!(kept(app).await, json!({}));
        let step = guess(100).await;
        app.minutes_pass(1);
        let off = app.second_step(&step, &factor.code(app, 0), Some("totp")).await;
        let off = off.refused(401, "second_factor_invalid");
        assert!(off.text("detail").contains("backup code"), "{off:?}");
        let session = app.second_step(&step, &factor.backup_codes[0], Some("backup_code")).await.ok();
        assert_eq!(kept(app).await, json!({}));
        Session::of(app, session).whoami().await.ok();
        app.minutes_pass(1);
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &factor.code(app, 0), Some("totp")).await.ok();
    })
    .await;
}

#[actix::test]
async fn an_administrator_sets_everything_right() {
    story_with(patient, async |app| {
        let admin = app.admin().await;
        let ravi = app.signs_up(PHONE).await;
        app.guesses(PHONE, 101).await;
        app.logs_in(PHONE, PASSWORD).await.refused(401, "credentials_invalid");
        app.posts_as(&admin.token, &format!("/api/v1/admin/users/{}/unlock", ravi.user_id()), json!({})).await.ok();
        app.logs_in(PHONE, PASSWORD).await.ok();
    })
    .await;
}
