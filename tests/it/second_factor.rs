//! Setting a second factor up, renewing its backup codes, turning it off.

use std::collections::HashSet;

use civiclens_actors::domain::clock::Clock;
use futures::future::join_all;
use serde_json::json;

use crate::support::{Answer, PASSWORD, Session, TestApp, backup_codes, story, totp, wrong};

const PHONE: &str = "98765 43210";
const E164: &str = "+919876543210";
const ENABLE: &str = "/api/v1/auth/enable-2fa";
const VERIFY: &str = "/api/v1/auth/verify-2fa";
const STEP_UP: &str = "/api/v1/auth/step-up";
const DISABLE: &str = "/api/v1/auth/disable-2fa";
const CODES: &str = "/api/v1/auth/backup-codes";

/// Somebody with two open sessions.
async fn signs_up_twice(app: &TestApp) -> (Session<'_>, Session<'_>) {
    let other = app.signs_up(PHONE).await;
    let this = Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
    (this, other)
}

#[actix::test]
async fn a_citizen_sets_up_an_authenticator_app() {
    story(async |app| {
        let (session, other) = signs_up_twice(app).await;
        app.proves_email(session.user_id(), "ravi@example.org").await;
        let enrolment = app.posts_as(&session.token, ENABLE, json!({ "method": "totp" })).await.ok();
        assert_eq!(enrolment.header("cache-control"), Some("no-store"));
        assert_eq!(enrolment.body["method"], "totp");
        let secret = enrolment.body["secret"].as_str().unwrap();
        assert_eq!(secret.len(), 32, "160 bits in base32");
        let uri = enrolment.body["otpauth_uri"].as_str().unwrap();
        assert!(uri.starts_with("otpauth://totp/CivicLens:"), "{uri}");
        assert!(uri.contains(&format!("secret={secret}")) && uri.contains("issuer=CivicLens"), "{uri}");
        let svg = enrolment.body["qr_svg"].as_str().unwrap().replace("http://www.w3.org/2000/svg", "");
        assert!(svg.contains("<svg") && svg.contains("</svg>"));
        for outside in ["http", "href", "url(", "<script", "<image", "<use", "@import", "<!DOCTYPE", "<!ENTITY"] {
            assert!(!svg.contains(outside), "{outside}");
        }
        assert_eq!(session.me().await.ok().body["two_fa_enabled"], false, "not before it is confirmed");
        other.whoami().await.ok();

        let confirmed = app.confirms(&session.token, &totp(secret, app.clock.now())).await.ok();
        assert_eq!(confirmed.header("cache-control"), Some("no-store"));
        let codes = backup_codes(&confirmed);
        assert_eq!(codes.iter().collect::<HashSet<_>>().len(), 10);
        assert_eq!(confirmed.body.get("secret"), None);
        // This session goes on, and with what was answered it says two factors.
        let session = Session::of(app, confirmed);
        assert_eq!(session.whoami().await.ok().body["amr"], json!(["mfa", "otp", "pwd"]));
        assert_eq!(session.me().await.ok().body["two_fa_enabled"], true);
        other.whoami().await.refused(401, "unauthenticated");
        app.confirms(&session.token, &totp(secret, app.clock.now())).await.refused(409, "conflict");

        let all = app.everything_announced().await;
        let changed: Vec<_> = all.iter().filter(|e| e.name() == "event.security.two_factor_changed").collect();
        assert_eq!(changed.len(), 1);
        let body = &changed[0].body;
        assert_eq!(body["type"], "in.civiclens.identity.security.two_factor_changed.v1");
        assert_eq!(body["subject"], session.user_id().to_string());
        let data = &body["data"];
        assert_eq!((&data["change"], &data["method"]), (&json!("enabled"), &json!("totp")));
        let ended = all.iter().find(|e| e.name() == "event.session.revoked").unwrap();
        assert_eq!(ended.body["data"]["session_id"], other.id());
        assert_eq!(ended.body["data"]["reason"], "two_factor_changed");
        app.hears(E164, "Two-step sign-in was turned on").await;
        app.jobs_are_done().await;
        let mail = app.mail.messages_to("ravi@example.org");
        assert_eq!(mail.len(), 1);
        assert!(mail[0].text.contains("Two-step sign-in was turned on"), "{}", mail[0].text);
    })
    .await;
}

#[actix::test]
async fn it_is_in_force_only_once_a_right_code_confirms_it() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.confirms(&session.token, "123456").await.refused(409, "conflict");
        let secret = app.begins_totp(&session.token).await;
        let right = totp(&secret, app.clock.now());
        app.confirms(&session.token, &wrong(&right)).await.refused(422, "second_factor_invalid");
        // What has the form of no code is counted for nobody.
        for code in ["12345", "abcdef", "1234567", "", "12345x"].repeat(2) {
            app.confirms(&session.token, code).await.refused(422, "invalid").blames("code", "code_malformed");
        }
        Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
        app.confirms(&session.token, &right).await.ok();
        app.first_step(PHONE).await;
    })
    .await;
}

#[actix::test]
async fn setting_it_up_takes_a_quarter_of_an_hour_at_most() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let late = app.begins_totp(&session.token).await;
        app.minutes_pass(16);
        app.confirms(&session.token, &totp(&late, app.clock.now())).await.refused(409, "conflict");
        let proof = json!({ "password": PASSWORD });
        app.posts_as(&session.token, "/api/v1/auth/verify-password", proof).await.ok();
        let secret = app.begins_totp(&session.token).await;
        app.minutes_pass(14);
        app.confirms(&session.token, &totp(&secret, app.clock.now())).await.ok();
    })
    .await;
}

#[actix::test]
async fn another_app_takes_over_only_once_it_is_confirmed() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let old = app.sets_up_totp(&session).await;
        let guess = json!({ "method": "totp", "code": wrong(&old.code(app, 0)) });
        app.posts_as(&session.token, ENABLE, guess).await.refused(422, "second_factor_invalid");
        app.confirms(&session.token, &old.code(app, 0)).await.refused(409, "conflict");
        let forgotten = app.replaces_totp(&session.token, &old.code(app, 0)).await;
        let again = json!({ "method": "totp", "code": old.code(app, 0) });
        app.posts_as(&session.token, ENABLE, again).await.refused(422, "second_factor_invalid");
        let secret = app.replaces_totp(&session.token, &old.backup_codes[0]).await;
        let again = json!({ "method": "totp", "code": old.backup_codes[0] });
        app.posts_as(&session.token, ENABLE, again).await.refused(422, "second_factor_invalid");
        app.minutes_pass(1);
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &totp(&secret, app.clock.now()), None).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &old.code(app, 0), None).await.ok();
        // Only the last one that was begun counts.
        app.confirms(&session.token, &totp(&forgotten, app.clock.now())).await.refused(422, "second_factor_invalid");
        app.confirms(&session.token, &totp(&secret, app.clock.now())).await.ok();
        app.minutes_pass(1);
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &old.code(app, 0), None).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &old.backup_codes[1], Some("backup_code")).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &totp(&secret, app.clock.now()), None).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_stolen_token_of_an_hour_ago_changes_nothing() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        app.minutes_pass(5);
        let without = json!({ "method": "totp" });
        for (path, body) in [(CODES, json!({})), (ENABLE, without.clone())] {
            let refused = app.posts_as(&session.token, path, body).await.refused(403, "step_up_required");
            let challenge = refused.header("www-authenticate").unwrap();
            assert!(challenge.starts_with("Bearer "), "{challenge}");
            assert!(challenge.contains("error=\"insufficient_user_authentication\""), "{challenge}");
        }
        // The password replaces no second factor, makes no backup codes and turns nothing off.
        let password = json!({ "password": PASSWORD });
        app.posts_as(&session.token, "/api/v1/auth/verify-password", password.clone()).await.ok();
        app.posts_as(&session.token, STEP_UP, password.clone()).await.ok();
        for (path, body) in [(CODES, json!({})), (ENABLE, without.clone()), (DISABLE, password.clone())] {
            app.posts_as(&session.token, path, body).await.refused(403, "step_up_required");
        }
        // A code of it does, however it was copied.
        let code = format!("\u{202a}{}\u{202c}\n", factor.code(app, 0));
        let answer = app.posts_as(&session.token, STEP_UP, json!({ "code": code, "method": "totp" })).await.ok();
        assert!(answer.body["auth_time"].is_string() && answer.body["message"].is_string(), "{answer:?}");
        let made = backup_codes(&app.posts_as(&session.token, CODES, json!({})).await.ok());
        app.posts_as(&session.token, ENABLE, without.clone()).await.ok();
        app.minutes_pass(6);
        app.posts_as(&session.token, ENABLE, without.clone()).await.refused(403, "step_up_required");
        // Codes that this session made prove nothing to it, neither now nor in the request itself.
        let own = json!({ "code": made[0], "method": "backup_code" });
        app.posts_as(&session.token, STEP_UP, own).await.refused(422, "second_factor_invalid");
        let with_own = json!({ "method": "totp", "code": made[0] });
        app.posts_as(&session.token, ENABLE, with_own).await.refused(422, "second_factor_invalid");
        app.posts_as(&session.token, DISABLE, json!({ "code": made[0] })).await.refused(422, "second_factor_invalid");
        // In another session they do.
        let step = app.first_step(PHONE).await;
        let other = Session::of(app, app.second_step(&step, &factor.code(app, 0), None).await.ok());
        app.minutes_pass(6);
        app.posts_as(&other.token, STEP_UP, json!({ "code": made[0] })).await.ok();
        app.posts_as(&other.token, ENABLE, without).await.ok();
    })
    .await;
}

#[actix::test]
async fn a_wrong_password_proves_nothing_and_one_session_proves_nothing_for_another() {
    story(async |app| {
        let (session, other) = signs_up_twice(app).await;
        app.minutes_pass(6);
        let body = json!({ "password": "Wrong-Guess-99" });
        let answer = app.posts_as(&session.token, "/api/v1/auth/verify-password", body).await;
        answer.refused(422, "password_wrong").blames("password", "password_wrong");
        let enable = json!({ "method": "totp" });
        app.posts_as(&session.token, ENABLE, enable.clone()).await.refused(403, "step_up_required");
        let body = json!({ "password": PASSWORD });
        app.posts_as(&other.token, "/api/v1/auth/verify-password", body).await.ok();
        app.posts_as(&session.token, ENABLE, enable.clone()).await.refused(403, "step_up_required");
        app.posts_as(&other.token, ENABLE, enable).await.ok();
    })
    .await;
}

#[actix::test]
async fn new_backup_codes_replace_the_old_ones() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.posts_as(&session.token, CODES, json!({})).await.refused(409, "conflict");
        let old = app.sets_up_totp(&session).await.backup_codes;
        let renewed = app.posts_as(&session.token, CODES, json!({})).await.ok();
        assert_eq!(renewed.header("cache-control"), Some("no-store"));
        let new = backup_codes(&renewed);
        assert_eq!(new.iter().chain(&old).collect::<HashSet<_>>().len(), 20);
        let step = app.first_step(PHONE).await;
        app.second_step(&step, &old[0], Some("backup_code")).await.refused(401, "second_factor_invalid");
        app.second_step(&step, &new[0].to_lowercase(), Some("backup_code")).await.ok();
        app.hears(E164, "New backup codes were made").await;
        session.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn a_second_factor_is_turned_off_with_the_password_a_code_or_a_backup_code() {
    story(async |app| {
        let mut session = app.signs_up(PHONE).await;
        let none = app.posts_as(&session.token, DISABLE, json!({ "password": PASSWORD })).await;
        none.refused(409, "conflict");
        for way in ["password", "code", "backup code"] {
            let factor = app.sets_up_totp(&session).await;
            let other = app.first_step(PHONE).await;
            let other = Session::of(app, app.second_step(&other, &factor.code(app, -1), None).await.ok());
            for body in [json!({}), json!({ "password": PASSWORD, "code": "123456" })] {
                app.posts_as(&session.token, DISABLE, body).await.refused(422, "invalid");
            }
            let refusals = [
                (json!({ "password": "Wrong-Guess-99" }), 422, "password_wrong"),
                (json!({ "code": wrong(&factor.code(app, 0)) }), 422, "second_factor_invalid"),
                (json!({ "code": "AAAAA-AAAAA" }), 422, "second_factor_invalid"),
                (json!({ "code": factor.code(app, -1) }), 422, "second_factor_invalid"),
            ];
            for (body, status, code) in refusals {
                app.posts_as(&session.token, DISABLE, body).await.refused(status, code);
            }
            let body = match way {
                "password" => json!({ "password": PASSWORD }),
                "code" => json!({ "code": factor.code(app, 0) }),
                _ => json!({ "code": factor.backup_codes[9] }),
            };
            let answer = app.posts_as(&session.token, DISABLE, body).await.ok();
            // Its older tokens said two factors; those answered do not, nor do those that the refresh token gives.
            session.whoami().await.refused(401, "unauthenticated");
            session = Session::of(app, answer);
            let amr = session.whoami().await.ok().body["amr"].clone();
            assert!(amr.as_array().is_some_and(|amr| !amr.contains(&json!("mfa"))), "{amr}");
            other.whoami().await.refused(401, "unauthenticated");
            assert_eq!(session.me().await.ok().body["two_fa_enabled"], false, "{way}");
            assert_eq!(app.count("SELECT count(*) FROM backup_codes").await, 0, "{way}");
            // It is still the session that was there before; the login needs no second step.
            Session::of(app, app.logs_in(PHONE, PASSWORD).await.ok());
            // So that the failures of this way do not count against the next.
            app.minutes_pass(16);
            let proof = json!({ "password": PASSWORD });
            app.posts_as(&session.token, "/api/v1/auth/verify-password", proof).await.ok();
        }
        app.hears(E164, "Two-step sign-in was turned off").await;
        let all = app.everything_announced().await;
        let changes: Vec<_> = all.iter().filter(|e| e.name() == "event.security.two_factor_changed").collect();
        let changes: Vec<_> = changes.iter().map(|e| e.body["data"]["change"].as_str().unwrap()).collect();
        assert_eq!(changes, ["enabled", "disabled"].repeat(3));
    })
    .await;
}

#[actix::test]
async fn many_who_turn_it_off_at_once_are_all_answered_at_once() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let body = json!({ "code": factor.backup_codes[0] });
        let started = std::time::Instant::now();
        let answers = join_all((0..8).map(|_| app.posts_as(&session.token, DISABLE, body.clone()))).await;
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| answer.status < 500), "{answers:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(4), "they wait for each other");
        assert_eq!(app.count("SELECT count(*) FROM audit_log WHERE action = 'two_factor.disabled'").await, 1);
    })
    .await;
}

#[actix::test]
async fn an_administrator_must_have_one_and_can_do_nothing_else_before() {
    story(async |app| {
        app.has_admin(PHONE).await;
        let step = app.logs_in(PHONE, PASSWORD).await.must_enrol();
        assert_eq!(step.body["methods"], json!(["totp", "sms"]));
        for route in ["POST /api/v1/auth/enable-2fa", "POST /api/v1/auth/verify-2fa"] {
            assert!(step.body["detail"].as_str().unwrap().contains(route), "{step:?}");
        }
        let token = step.body["mfa_token"].as_str().unwrap();
        for path in ["/api/v1/auth/whoami", "/api/v1/users/me", "/api/v1/auth/sessions"] {
            app.gets_as(token, path).await.refused(401, "unauthenticated");
        }
        for path in [CODES, DISABLE, "/api/v1/auth/verify-password", "/api/v1/auth/logout"] {
            let body = json!({ "password": PASSWORD });
            app.posts_as(token, path, body).await.refused(401, "unauthenticated");
        }
        let body = json!({ "refresh_token": token });
        app.posts("/api/v1/auth/refresh-token", body).await.refused(401, "refresh_token_invalid");
        app.posts("/api/v1/auth/send-2fa-sms", json!({ "mfa_token": token })).await.refused(422, "invalid");
        app.second_step(token, "123456", None).await.refused(409, "conflict");
        app.second_step(token, PASSWORD, Some("password")).await.refused(409, "conflict");
        assert_eq!(app.live_sessions().await, 0);

        let enrolment = json!({ "mfa_token": token, "method": "totp" });
        let secret = app.posts(ENABLE, enrolment).await.ok().body["secret"].as_str().unwrap().to_owned();
        let code = totp(&secret, app.clock.now());
        app.second_step(token, &wrong(&code), None).await.refused(401, "second_factor_invalid");
        let answer = app.second_step(token, &code, None).await.ok();
        assert_eq!(backup_codes(&answer).len(), 10);
        let session = Session::of(app, answer);
        let who = session.whoami().await.ok();
        assert_eq!(who.body["amr"], json!(["mfa", "otp", "pwd"]));
        // The token is used up.
        app.second_step(token, &code, None).await.refused(401, "mfa_token_invalid");
        app.minutes_pass(1);
        for body in [json!({ "password": PASSWORD }), json!({ "code": totp(&secret, app.clock.now()) })] {
            app.posts_as(&session.token, DISABLE, body).await.refused(403, "two_factor_enforced");
        }
        app.first_step(PHONE).await;
    })
    .await;
}

#[actix::test]
async fn a_token_that_asks_for_a_second_step_sets_none_up() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.sets_up_totp(&session).await;
        let step = app.first_step(PHONE).await;
        let body = json!({ "mfa_token": step, "method": "totp" });
        app.posts(ENABLE, body).await.refused(401, "mfa_token_invalid");
        app.posts(ENABLE, json!({ "mfa_token": session.token, "method": "totp" }))
            .await
            .refused(401, "mfa_token_invalid");
        app.posts(ENABLE, json!({ "method": "totp" })).await.refused(401, "unauthenticated");
        app.posts(VERIFY, json!({ "code": "123456" })).await.refused(401, "unauthenticated");
        app.posts_as(&session.token, ENABLE, json!({ "method": "carrier pigeon" })).await.refused(422, "invalid");
    })
    .await;
}

#[actix::test]
async fn where_second_factors_are_switched_off_only_who_must_have_one_is_asked() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        let without = app.signs_up("98765 43211").await;
        app.has_admin("98765 00001").await;
        app.has_admin("98765 00002").await;
        app.admin_signs_in("98765 00002").await;
        let off = app.replica_with(|settings| settings.two_factor.enabled = false).await;
        Session::of(&off, off.logs_in(PHONE, PASSWORD).await.ok());
        let refused = |answer: Answer| answer.refused(403, "two_factor_disabled");
        for method in ["totp", "sms"] {
            refused(off.posts_as(&without.token, ENABLE, json!({ "method": method })).await);
        }
        let replaces = json!({ "method": "totp", "code": factor.code(app, 0) });
        refused(off.posts_as(&session.token, ENABLE, json!({ "method": "totp" })).await);
        refused(off.posts_as(&session.token, ENABLE, replaces.clone()).await);
        app.posts_as(&session.token, ENABLE, replaces).await.ok();
        off.logs_in("98765 00002", PASSWORD).await.asks_for_more();
        off.admin_signs_in("98765 00001").await;
        off.stop().await;
    })
    .await;
}
