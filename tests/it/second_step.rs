//! The second step of a login: an authenticator app, backup codes, the password of officers.

use std::collections::BTreeMap;

use civiclens_actors::domain::clock::Clock;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Session, story, totp, wrong};

const PHONE: &str = "98765 43210";

/// How many answers there were of each kind.
fn kinds(answers: &[Answer]) -> BTreeMap<u16, usize> {
    let mut kinds = BTreeMap::new();
    for answer in answers {
        *kinds.entry(answer.status).or_default() += 1;
    }
    kinds
}

#[actix::test]
async fn a_login_asks_for_the_app_and_then_opens_a_session() {
    story(async |app| {
        let factor = app.sets_up_totp(&app.signs_up(PHONE).await).await;
        let step = app.logs_in(PHONE, PASSWORD).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["totp", "backup_code"]));
        assert_eq!(step.body["expires_in"], 300);
        assert_eq!(step.header("cache-control"), Some("no-store"));
        let token = step.body["mfa_token"].as_str().unwrap();
        let session = Session::of(app, app.second_step(token, &factor.code(app, 0), Some("totp")).await.ok());
        assert_eq!(session.whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd"]));
        assert_eq!(session.answer.body.get("backup_codes"), None);

        // A code to the phone is no way around it.
        let ravi = app.citizen("98765 43210");
        app.minutes_pass(1);
        let sent = app.twilio.messages_to(&ravi.e164()).len();
        ravi.requests_code().await.ok();
        let code = app.code_after(&ravi.e164(), sent).await;
        let step = ravi.enters(&code).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["totp", "backup_code"]));
        let token = step.body["mfa_token"].as_str().unwrap();
        let session = Session::of(app, app.second_step(token, &factor.code(app, 0), None).await.ok());
        assert_eq!(session.whoami().await.ok().body["amr"], json!(["mfa", "otp", "sms"]));
    })
    .await;
}

#[actix::test]
async fn one_step_of_drift_either_way_is_accepted_and_no_step_twice() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let step = app.first_step(PHONE).await;
        app.minutes_pass(2);
        for far in [-2, 2] {
            app.second_step(&step, &factor.code(app, far), None).await.refused(401, "second_factor_invalid");
        }
        app.second_step(&step, &factor.code(app, -1), None).await.ok();
        for next in [0, 1] {
            let step = app.first_step(PHONE).await;
            app.second_step(&step, &factor.code(app, next), None).await.ok();
        }
        let step = app.first_step(PHONE).await;
        for used in [1, 0, -1] {
            app.second_step(&step, &factor.code(app, used), None).await.refused(401, "second_factor_invalid");
        }
    })
    .await;
}

#[actix::test]
async fn the_code_that_set_the_app_up_does_not_sign_in() {
    story(async |app| {
        app.has_admin(PHONE).await;
        let (_, secret) = app.admin_signs_in(PHONE).await;
        let step = app.first_step(PHONE).await;
        let used = totp(&secret, app.clock.now());
        app.second_step(&step, &used, None).await.refused(401, "second_factor_invalid");

        let session = app.signs_up("98765 43211").await;
        let secret = app.begins_totp(&session.token).await;
        let code = totp(&secret, app.clock.now());
        app.confirms(&session.token, &code).await.ok();
        let step = app.first_step("98765 43211").await;
        app.second_step(&step, &code, None).await.refused(401, "second_factor_invalid");
    })
    .await;
}

#[actix::test]
async fn twenty_who_use_one_token_and_one_code_open_one_session() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let (step, code) = (app.first_step(PHONE).await, factor.code(app, 0));
        let before = app.live_sessions().await;
        let answers = join_all((0..20).map(|_| app.second_step(&step, &code, None))).await;
        let kinds = kinds(&answers);
        assert_eq!(kinds.get(&200), Some(&1), "{kinds:?}");
        assert!(kinds.keys().all(|status| [200, 401, 429].contains(status)), "{kinds:?}");
        assert_eq!(app.live_sessions().await, before + 1);
        app.second_step(&step, &code, None).await.refused(401, "mfa_token_invalid");
    })
    .await;
}

#[actix::test]
async fn twenty_who_use_one_code_with_tokens_of_their_own_open_one_session() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let mut steps = Vec::new();
        for _ in 0..20 {
            steps.push(app.first_step(PHONE).await);
        }
        let (code, before) = (factor.code(app, 0), app.live_sessions().await);
        let answers = join_all(steps.iter().map(|step| app.second_step(step, &code, None))).await;
        let kinds = kinds(&answers);
        assert_eq!(kinds.get(&200), Some(&1), "{kinds:?}");
        assert!(kinds.keys().all(|status| [200, 401, 429].contains(status)), "{kinds:?}");
        assert_eq!(app.live_sessions().await, before + 1);
    })
    .await;
}

#[actix::test]
async fn a_backup_code_opens_one_session_and_never_another() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let mut steps = Vec::new();
        for _ in 0..8 {
            steps.push(app.first_step(PHONE).await);
        }
        let (code, before) = (&factor.backup_codes[3], app.live_sessions().await);
        let uses = steps.iter().map(|step| app.second_step(step, code, Some("backup_code")));
        let kinds = kinds(&join_all(uses).await);
        assert_eq!(kinds.get(&200), Some(&1), "{kinds:?}");
        assert!(kinds.keys().all(|status| [200, 401, 429].contains(status)), "{kinds:?}");
        assert_eq!(app.live_sessions().await, before + 1);
        assert_eq!(app.count("SELECT count(*) FROM backup_codes WHERE used_at IS NULL").await, 9);
        let used = "SELECT count(*) FROM audit_log WHERE action = 'two_factor.backup_code_used'";
        assert_eq!(app.count(used).await, 1);

        app.minutes_pass(31);
        let step = app.first_step(PHONE).await;
        let other = app.second_step(&step, &factor.backup_codes[4], Some("backup_code")).await.ok();
        assert_eq!(Session::of(app, other).whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd"]));
        let step = app.first_step(PHONE).await;
        app.second_step(&step, code, Some("backup_code")).await.refused(401, "second_factor_invalid");
    })
    .await;
}

#[actix::test]
async fn wrong_codes_lock_the_account_and_the_right_password_does_not_forgive_them() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        for _ in 0..4 {
            let step = app.first_step(PHONE).await;
            app.second_step(&step, &wrong(&factor.code(app, 0)), None).await.refused(401, "second_factor_invalid");
        }
        let step = app.first_step(PHONE).await;
        app.second_step(&step, "AAAAA-AAAAA", Some("backup_code")).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &factor.code(app, 0), None).await.refused(429, "account_locked");
        app.logs_in(PHONE, PASSWORD).await.refused(429, "account_locked");
        session.whoami().await.ok();
        app.minutes_pass(31);
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &factor.code(app, 0), None).await.ok();
    })
    .await;
}

#[actix::test]
async fn the_token_of_a_step_lives_five_minutes_is_good_once_and_opens_nothing_else() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let step = app.first_step(PHONE).await;
        for path in ["/api/v1/auth/whoami", "/api/v1/users/me"] {
            app.gets_as(&step, path).await.refused(401, "unauthenticated");
        }
        let refresh = app.posts("/api/v1/auth/refresh-token", json!({ "refresh_token": step })).await;
        refresh.refused(401, "refresh_token_invalid");
        let reset = json!({ "reset_token": step, "new_password": "Quartz-Lantern-7" });
        app.posts("/api/v1/auth/reset-password", reset).await.refused(401, "reset_token_invalid");
        let others = ["", "x", &session.token, session.answer.body["refresh_token"].as_str().unwrap()];
        for token in others {
            app.second_step(token, &factor.code(app, 0), None).await.refused(401, "mfa_token_invalid");
        }
        app.second_step(&step, &factor.code(app, 0), Some("sms"))
            .await
            .refused(422, "invalid")
            .blames("method", "method_not_offered");
        for method in ["password", "otp", ""] {
            app.second_step(&step, PASSWORD, Some(method)).await.refused(422, "invalid");
        }
        app.minutes_pass(4);
        // A wrong code leaves it good for another try.
        app.second_step(&step, &wrong(&factor.code(app, 0)), None).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &factor.code(app, 0), None).await.ok();
        app.second_step(&step, &factor.code(app, 1), None).await.refused(401, "mfa_token_invalid");
        let step = app.first_step(PHONE).await;
        app.minutes_pass(6);
        app.second_step(&step, &factor.code(app, 0), None).await.refused(401, "mfa_token_invalid");
    })
    .await;
}

#[actix::test]
async fn an_officer_with_a_code_gives_the_password_and_then_the_factor() {
    story(async |app| {
        app.has_admin("98765 00001").await;
        let (admin, _) = app.admin_signs_in("98765 00001").await;
        let officer = json!({ "phone": PHONE, "email": "vikram@example.org", "full_name": "Vikram Shah",
                              "password": PASSWORD, "role": "nodal_officer" });
        let created = app.posts_as(&admin.token, "/api/v1/auth/create-officer", officer).await;
        assert_eq!(created.status, 201, "{created:?}");
        let session = Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
        let factor = app.sets_up_totp(&session).await;

        let vikram = app.citizen(PHONE);
        let sent = app.twilio.messages_to(&vikram.e164()).len();
        vikram.requests_code().await.ok();
        let code = app.code_after(&vikram.e164(), sent).await;
        let asked = |answer: &Answer| -> (Value, String) {
            (answer.body["methods"].clone(), answer.body["mfa_token"].as_str().unwrap().to_owned())
        };
        let (methods, first) = asked(&vikram.enters(&code).await.asks_for_more());
        assert_eq!(methods, json!(["password"]));
        app.second_step(&first, "Wrong-Guess-99", None).await.refused(401, "credentials_invalid");
        app.second_step(&first, &factor.code(app, 0), Some("totp")).await.refused(422, "invalid");
        let (methods, second) = asked(&app.second_step(&first, PASSWORD, Some("password")).await.asks_for_more());
        assert_eq!(methods, json!(["totp", "backup_code"]));
        assert_ne!(first, second);
        app.second_step(&first, PASSWORD, Some("password")).await.refused(401, "mfa_token_invalid");
        let session = Session::of(app, app.second_step(&second, &factor.code(app, 0), None).await.ok());
        assert_eq!(session.whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd", "sms"]));
    })
    .await;
}
