//! Signing in with a phone and a password.

use futures::future::join_all;
use serde_json::json;

use crate::support::{PASSWORD, Session, WRONG, story};

const LOGIN: &str = "/api/v1/auth/login";
const VERIFY_2FA: &str = "/api/v1/auth/verify-2fa";

#[actix::test]
async fn whether_a_phone_has_an_account_or_a_password_is_not_told() {
    story(async |app| {
        let ravi = app.signs_up("98765 43210").await.user_id();
        let meera = app.citizen("98765 43211").signs_in().await.user_id();
        let phones = ["98765 43210", "98765 43211", "98765 43212"];
        // The lock is not told of either: the sixth attempt finds it.
        for attempt in 1..=7 {
            let answers = join_all(phones.map(|phone| app.logs_in(phone, WRONG))).await;
            let [known, without_password, unknown] = [0, 1, 2].map(|place| answers[place].told());
            assert_eq!(known, unknown, "attempt {attempt}");
            assert_eq!(without_password, unknown, "attempt {attempt}");
            assert_eq!(unknown.0, if attempt <= 5 { 401 } else { 429 }, "{unknown:?}");
        }
        // The same work was done for each: as many rows, whoever they are about.
        let failed = app.audited("auth.login_failed").await;
        for user in [Some(ravi), Some(meera), None] {
            let theirs: Vec<_> = failed.iter().filter(|record| record.user == user).collect();
            let reasons: Vec<_> = theirs.iter().map(|record| record.details["reason"].as_str().unwrap()).collect();
            assert_eq!(reasons, [["wrong_password"; 5].as_slice(), &["locked"; 2]].concat());
            assert!(theirs.iter().all(|record| record.details["method"] == "password" && record.actor.is_none()));
        }
        assert_eq!(app.audited("auth.account_locked").await.len(), 3);
        let told = app.events_of("event.security.login_failed", 14).await;
        assert_eq!(told.len(), 14, "there is nobody to tell of the third phone");
    })
    .await;
}

#[actix::test]
async fn a_suspended_account_is_told_of_only_to_who_has_its_password() {
    story(async |app| {
        let ravi = app.signs_up("98765 43210").await;
        sqlx::query("UPDATE users SET is_active = false").execute(&app.db).await.unwrap();
        let sessions = app.count("SELECT count(*) FROM sessions").await;
        app.logs_in("98765 43210", PASSWORD).await.refused(403, "account_suspended");
        let wrong = app.logs_in("98765 43210", WRONG).await.refused(401, "credentials_invalid");
        assert_eq!(wrong.told(), app.logs_in("98765 43219", WRONG).await.told());
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, sessions);
        assert_eq!(app.failures().await, ["suspended", "wrong_password", "wrong_password"]);
        assert_eq!(app.audited("auth.login_failed").await[0].user, Some(ravi.user_id()));
        sqlx::query("UPDATE users SET is_active = true").execute(&app.db).await.unwrap();
        app.logs_in("98765 43210", PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn the_portal_of_officers_is_for_officers() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, "98765 00002", "nodal_officer").await;
        app.signs_up("98765 43210").await;
        let at = async |portal: &str, phone: &str, password: &str| {
            let body = json!({ "phone": phone, "password": password, "portal_type": portal });
            app.posts(LOGIN, body).await
        };
        let sessions = app.count("SELECT count(*) FROM sessions").await;
        // It is no failed login: a sixth would find the account locked.
        for _ in 0..6 {
            let elsewhere = at("officer", "98765 43210", PASSWORD).await.refused(403, "wrong_portal");
            // Clients look for these words.
            let detail = elsewhere.body["detail"].as_str().unwrap();
            assert!(detail.contains("Citizen Portal") && !detail.contains("Officer Portal"), "{detail}");
        }
        assert_eq!(app.count("SELECT count(*) FROM sessions").await, sessions);
        at("officer", "98765 43210", WRONG).await.refused(401, "credentials_invalid");
        at("elsewhere", "98765 43210", PASSWORD).await.refused(422, "invalid").blames("portal_type", "invalid_type");
        at("citizen", "98765 43210", PASSWORD).await.ok();
        at("officer", "98765 00002", PASSWORD).await.ok();
        at("citizen", "98765 00002", PASSWORD).await.ok();
    })
    .await;
}

#[actix::test]
async fn an_officer_comes_in_by_code_and_password_together() {
    story(async |app| {
        let admin = app.admin().await;
        app.has(&admin, "98765 00002", "nodal_officer").await;
        let vikram = app.citizen("98765 00002");
        let code = vikram.gets_code().await;
        let step = vikram.enters(&code).await.asks_for_more();
        assert_eq!(step.body["methods"], json!(["password"]));
        let goes_on = async |code: &str, method: Option<&str>| {
            let body = json!({ "mfa_token": step.body["mfa_token"], "code": code, "method": method });
            app.posts(VERIFY_2FA, body).await
        };
        goes_on(WRONG, None).await.refused(401, "credentials_invalid");
        goes_on("123456", Some("totp")).await.refused(422, "invalid").blames("method", "method_not_offered");
        let session = Session::of(app, goes_on(PASSWORD, Some("password")).await.ok());
        assert_eq!(session.answer.body["role"], "nodal_officer");
        assert_eq!(session.whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd", "sms"]));
        goes_on(PASSWORD, None).await.refused(401, "mfa_token_invalid");
        assert_eq!(app.failures().await, ["wrong_password"]);
    })
    .await;
}

#[actix::test]
async fn a_password_that_was_imported_is_good_and_its_hash_renewed() {
    // "Mango-Kettle-77", hashed by another program.
    const IMPORTED: &str = "$2b$05$QwErTyUiOpAsDfGhJkLzXOBnWmr5U3LFTw4yxWIPQIb3tk7fq9.MK";
    story(async |app| {
        let ravi = app.signs_up("98765 43210").await.user_id();
        sqlx::query("UPDATE users SET password_hash = $1").bind(IMPORTED).execute(&app.db).await.unwrap();
        app.logs_in("98765 43210", PASSWORD).await.refused(401, "credentials_invalid");
        let kept = "SELECT count(*) FROM users WHERE password_hash LIKE '$2b$05$%'";
        assert_eq!(app.count(kept).await, 1, "a wrong password renews nothing");
        app.logs_in("98765 43210", "Mango-Kettle-77").await.ok();
        assert_eq!(app.count("SELECT count(*) FROM users WHERE password_hash LIKE 'v1:$2b$04$%'").await, 1);
        app.logs_in("98765 43210", "Mango-Kettle-77").await.ok();
        app.logs_in("98765 43210", "Mango-Kettle-78").await.refused(401, "credentials_invalid");
        let renewed = app.audited("password.rehashed").await;
        assert_eq!(renewed.iter().map(|record| record.user).collect::<Vec<_>>(), [Some(ravi)]);
    })
    .await;
}

#[actix::test]
async fn what_the_hashing_threads_cannot_take_is_told_to_come_back() {
    story(async |app| {
        app.signs_up("98765 43210").await;
        let small = app
            .replica_with(|settings| {
                settings.password.cost = 10;
                settings.password.threads = Some(1);
                settings.password.queue = 1;
            })
            .await;
        let phones: Vec<_> = (0..12).map(|number| format!("98765 100{number:02}")).collect();
        let answers = join_all(phones.iter().map(|phone| small.logs_in(phone, WRONG))).await;
        let (judged, busy): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 401);
        assert!(judged.len() >= 2 && busy.len() >= 5, "{} judged, {} busy", judged.len(), busy.len());
        for answer in busy {
            answer.refused(503, "overloaded");
        }
        // Who was sent away has not failed.
        assert_eq!(app.failures().await.len(), judged.len());
        small.logs_in("98765 43210", PASSWORD).await.ok();
        small.stop().await;
    })
    .await;
}
