//! Codes by SMS as the second factor of a password.

use futures::future::join_all;
use serde_json::json;

use crate::support::{PASSWORD, Session, TestApp, backup_codes, eventually, story, wrong};

const PHONE: &str = "98765 43210";
const E164: &str = "+919876543210";
const ENABLE: &str = "/api/v1/auth/enable-2fa";
const SEND: &str = "/api/v1/auth/send-2fa-sms";

/// Has a code for the second step sent.
async fn sends(app: &TestApp, step: &str) -> String {
    let sent = app.twilio.messages_to(E164).len();
    let answer = app.posts(SEND, json!({ "mfa_token": step })).await.ok();
    assert!(answer.body["expires_in_minutes"].is_number() && answer.body.get("otp").is_none(), "{answer:?}");
    assert!(answer.header("ratelimit-remaining").is_some());
    app.code_after(E164, sent).await
}

#[actix::test]
async fn the_phone_is_the_second_factor_of_a_password() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let sent = app.twilio.messages_to(E164).len();
        let enrolment = app.posts_as(&session.token, ENABLE, json!({ "method": "sms" })).await.ok();
        for field in ["secret", "otpauth_uri", "qr_svg"] {
            assert!(enrolment.body.get(field).is_none_or(serde_json::Value::is_null), "{enrolment:?}");
        }
        let code = app.code_after(E164, sent).await;
        app.confirms(&session.token, &wrong(&code)).await.refused(422, "second_factor_invalid");
        let confirmed = app.confirms(&session.token, &code).await.ok();
        assert_eq!(backup_codes(&confirmed).len(), 10);
        assert_eq!(session.me().await.ok().body["two_fa_enabled"], true);

        let step = app.logs_in(PHONE, PASSWORD).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["sms", "backup_code"]));
        let step = step.body["mfa_token"].as_str().unwrap();
        let code = sends(app, step).await;
        app.second_step(step, &wrong(&code), None).await.refused(401, "second_factor_invalid");
        let answers = join_all((0..8).map(|_| app.second_step(step, &code, None))).await;
        let mut opened: Vec<_> = answers.into_iter().filter(|answer| answer.status == 200).collect();
        assert_eq!(opened.len(), 1);
        let session = Session::of(app, opened.remove(0));
        assert_eq!(session.whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd", "sms"]));

        // The phone shown twice is one thing shown: with a code, the password is asked for.
        let sent = app.twilio.messages_to(E164).len();
        app.citizen(PHONE).requests_code().await.ok();
        let code = app.code_after(E164, sent).await;
        let step = app.citizen(PHONE).enters(&code).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["password"]));
        app.second_step(step.body["mfa_token"].as_str().unwrap(), PASSWORD, None).await.ok();
    })
    .await;
}

#[actix::test]
async fn without_a_password_the_phone_is_no_second_factor() {
    story(async |app| {
        let session = app.citizen(PHONE).signs_in().await;
        app.posts_as(&session.token, ENABLE, json!({ "method": "sms" })).await.refused(409, "conflict");
        app.sets_up_totp(&session).await;
    })
    .await;
}

#[actix::test]
async fn a_code_is_good_for_what_it_was_sent_for_and_nothing_else() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.sets_up_sms(&session, E164).await;
        let ravi = app.citizen(PHONE);
        let sent = app.twilio.messages_to(E164).len();
        ravi.requests_code().await.ok();
        let login = app.code_after(E164, sent).await;
        let step = app.first_step(PHONE).await;

        // Nothing was sent for this step yet.
        app.second_step(&step, &login, None).await.refused(401, "second_factor_invalid");
        let factor = sends(app, &step).await;
        ravi.enters(&factor).await.refused(401, "otp_invalid");
        let body = json!({ "phone": PHONE, "otp": factor });
        app.posts("/api/v1/auth/verify-phone", body).await.refused(401, "otp_invalid");
        let body = json!({ "phone": PHONE, "reset_token": factor, "new_password": "Quartz-Lantern-7" });
        app.posts("/api/v1/auth/reset-password", body).await.refused(401, "reset_token_invalid");
        app.second_step(&step, &login, None).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &factor, None).await.ok();
        ravi.enters(&login).await.asks_for_more();
    })
    .await;
}

#[actix::test]
async fn a_code_is_sent_only_to_who_needs_one() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.posts_as(&session.token, SEND, json!({})).await.refused(409, "conflict");
        app.posts(SEND, json!({})).await.refused(401, "unauthenticated");
        app.posts(SEND, json!({ "mfa_token": "x" })).await.refused(401, "mfa_token_invalid");
        app.sets_up_totp(&session).await;
        let step = app.first_step(PHONE).await;
        app.posts(SEND, json!({ "mfa_token": step }))
            .await
            .refused(422, "invalid")
            .blames("method", "method_not_offered");
    })
    .await;
}

#[actix::test]
async fn five_wrong_codes_lock_the_account() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.sets_up_sms(&session, E164).await;
        let step = app.first_step(PHONE).await;
        let code = sends(app, &step).await;
        for _ in 0..5 {
            app.second_step(&step, &wrong(&code), None).await.refused(401, "second_factor_invalid");
        }
        assert!([401, 429].contains(&app.second_step(&step, &code, None).await.status));
        app.logs_in(PHONE, PASSWORD).await.refused(429, "account_locked");
        assert_eq!(app.live_sessions().await, 1);
        let locked = "SELECT count(*) FROM audit_log WHERE action = 'auth.account_locked'";
        assert_eq!(app.count(locked).await, 1);
    })
    .await;
}

#[actix::test]
async fn whose_factor_is_the_phone_resets_the_password_by_a_link_and_not_by_the_phone() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.sets_up_sms(&session, E164).await;
        app.proves_email(session.user_id(), "ravi@example.org").await;
        app.posts("/api/v1/auth/forgot-password", json!({ "phone": PHONE })).await.ok();
        let link = eventually("a link", async || {
            let mails = app.mail.messages_to("ravi@example.org");
            let text = mails.iter().find(|mail| mail.text.contains("#token="))?.text.clone();
            Some(text.split_once("#token=")?.1.split_whitespace().next()?.to_owned())
        });
        let body = json!({ "reset_token": link.await, "new_password": "Quartz-Lantern-7" });
        app.jobs_are_done().await;
        let texts = app.twilio.messages_to(E164);
        assert!(texts.iter().all(|sms| !sms.body.contains("new password")), "{texts:?}");
        app.posts("/api/v1/auth/reset-password", body).await.ok();
        app.logs_in(PHONE, "Quartz-Lantern-7").await.asks_for_more();
    })
    .await;
}
