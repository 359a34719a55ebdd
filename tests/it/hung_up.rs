//! Clients that hang up: what their requests began is done to its end, as if they had listened.

use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::limit::Rate;
use civiclens_actors::domain::role::Role;
use serde_json::{Value, json};

use crate::support::{PASSWORD, RawRequest, TestApp, WRONG, eventually, story, story_with, totp};

/// When clients hang up.
const AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_millis(2), Duration::from_millis(20)];

#[actix::test]
async fn wrong_passwords_are_recorded_although_nobody_waits_for_the_answer() {
    story(async |app| {
        for (person, after) in AFTER.into_iter().enumerate() {
            let phone = format!("98765 4321{person}");
            let user = app.signs_up(&phone).await.user_id();
            let guess = RawRequest::post("/api/v1/auth/login", json!({ "phone": phone, "password": WRONG }));
            for number in 0..5 {
                let before = failures_of(app, user).await;
                app.hangs_up(&guess, &format!("guess-{person}-{number}"), after).await;
                let told = async || (failures_of(app, user).await > before).then_some(());
                eventually("an audit row", told).await;
            }
            assert_eq!(failures_of(app, user).await, 5, "{after:?}");
            app.logs_in(&phone, PASSWORD).await.refused(429, "account_locked");
        }
        assert_eq!(app.audited("auth.account_locked").await.len(), AFTER.len());
    })
    .await;
}

async fn failures_of(app: &TestApp, user: i64) -> usize {
    let of_user = |row: &crate::support::Record| row.user == Some(user) && row.details["reason"] == "wrong_password";
    app.audited("auth.login_failed").await.iter().filter(|row| of_user(row)).count()
}

/// What a request did, as far as it is recorded: audit rows and messages, by name.
async fn traces(app: &TestApp, id: &str) -> Vec<String> {
    let sql = "SELECT action FROM audit_log WHERE request_id = $1
               UNION ALL SELECT regexp_replace(subject, '^t[0-9]+\\.', '') FROM outbox WHERE request_id = $1
               ORDER BY 1";
    sqlx::query_scalar(sql).bind(id).fetch_all(&app.db).await.unwrap()
}

/// An officer who was invited, and the token of the invitation.
async fn invited(app: &TestApp, admin: &str, phone: &str) -> (i64, String) {
    let mut officer = crate::support::officer(phone, "nodal_officer");
    officer.as_object_mut().unwrap().remove("password");
    let created = app.posts_as(admin, "/api/v1/auth/create-officer", officer.clone()).await;
    let letter = eventually("an invitation", async || {
        app.mail.messages_to(officer["email"].as_str().unwrap()).into_iter().next()
    });
    let text = letter.await.text;
    let token = text.split_once("#token=").unwrap().1.split_whitespace().next().unwrap().to_owned();
    (created.body["user_id"].as_i64().unwrap(), token)
}

/// Makes ready what a request to `path` needs, each time for another person. `None` for what records nothing.
async fn prepare(app: &TestApp, admin: &str, path: &str, number: usize) -> Option<RawRequest> {
    let name = path.strip_prefix("/api/v1/auth/").unwrap_or(path);
    let phone = format!("+91 98{number:03} 54321");
    let e164 = phone.replace(' ', "");
    let person = app.citizen(&phone);
    let post = |body| RawRequest::post(path, body);
    Some(match name {
        "request-otp" => post(json!({ "phone": phone })),
        "verify-otp" => post(json!({ "phone": phone, "otp": person.gets_code().await })),
        "signup" => post(json!({ "phone": phone, "full_name": "Ravi Kumar", "password": PASSWORD })),
        "verify-phone" => {
            let body = json!({ "phone": phone, "full_name": "Ravi Kumar", "password": PASSWORD });
            app.posts("/api/v1/auth/signup", body).await;
            post(json!({ "phone": phone, "otp": person.code_from_sms().await }))
        }
        "create-officer" => post(crate::support::officer(&phone, "nodal_officer")).by(admin),
        "accept-invitation" | "/api/v1/admin/users/{id}/invite" => {
            let (id, token) = invited(app, admin, &phone).await;
            if name == "accept-invitation" {
                post(json!({ "token": token, "password": PASSWORD }))
            } else {
                RawRequest::post(&path.replace("{id}", &id.to_string()), Value::Null).by(admin)
            }
        }
        _ => {
            let session = app.signs_up(&phone).await;
            let sent = app.twilio.messages_to(&e164).len();
            match name {
                "login" => post(json!({ "phone": phone, "password": PASSWORD })),
                "refresh-token" => post(json!({ "refresh_token": session.answer.text("refresh_token") })),
                "logout" | "logout-all" => post(Value::Null).by(&session.token),
                "logout-others" => {
                    app.enters(&phone).await;
                    post(Value::Null).by(&session.token)
                }
                "sessions/{id}" => {
                    let path = format!("/api/v1/auth/sessions/{}", app.enters(&phone).await.id());
                    RawRequest {
                        method: "DELETE".to_owned(),
                        ..RawRequest::post(&path, Value::Null).by(&session.token)
                    }
                }
                "forgot-password" => post(json!({ "phone": phone })),
                "reset-password" => {
                    app.posts("/api/v1/auth/forgot-password", json!({ "phone": phone })).await.ok();
                    let code = app.code_after(&e164, sent).await;
                    post(json!({ "phone": phone, "reset_token": code, "new_password": "Other-Quartz-42" }))
                }
                "change-password" => {
                    let body = json!({ "old_password": PASSWORD, "new_password": "Other-Quartz-42" });
                    post(body).by(&session.token)
                }
                "verify-password" => post(json!({ "password": PASSWORD })).by(&session.token),
                "enable-2fa" => post(json!({ "method": "totp" })).by(&session.token),
                "verify-2fa" => {
                    let secret = app.begins_totp(&session.token).await;
                    post(json!({ "code": totp(&secret, app.clock.now()) })).by(&session.token)
                }
                "send-2fa-sms" => {
                    app.sets_up_sms(&session, &e164).await;
                    post(json!({})).by(&session.token)
                }
                "disable-2fa" | "backup-codes" => {
                    let secret = app.begins_totp(&session.token).await;
                    app.confirms(&session.token, &totp(&secret, app.clock.now())).await.ok();
                    let body = if name == "disable-2fa" { json!({ "password": PASSWORD }) } else { Value::Null };
                    post(body).by(&session.token)
                }
                "/api/v1/admin/users/{id}/unlock" | "/api/v1/admin/users/{id}/revoke-sessions" => {
                    let path = path.replace("{id}", &session.user_id().to_string());
                    RawRequest::post(&path, Value::Null).by(admin)
                }
                _ => return None,
            }
        }
    })
}

/// Every route that changes something leaves the same traces, whether or not its client waits for the answer.
#[actix::test]
async fn every_writing_route_does_as_much_for_a_client_that_hangs_up() {
    let wide = Rate { count: 100_000, window: Duration::from_hours(1) };
    let configure = |settings: &mut civiclens::config::Settings| {
        settings.rate_limit.otp_per_address = wide;
        settings.rate_limit.login_per_address = wide;
        settings.rate_limit.password_reset_per_address = wide;
        settings.two_factor.enforced_roles = vec![Role::Admin];
    };
    story_with(configure, async |app| {
        let admin = app.admin().await.token;
        let (mut people, mut seen) = (0, 0);
        for path in writing_routes() {
            let mut expected = None;
            for after in [Duration::from_secs(10)].into_iter().chain(AFTER) {
                people += 1;
                let Some(request) = prepare(app, &admin, &path, people).await else { break };
                let id = format!("hangs-up-{people}");
                if let Some(expected) = &expected {
                    app.hangs_up(&request, &id, after).await;
                    let done = async || (&traces(app, &id).await == expected).then_some(());
                    eventually(&format!("{path} after {after:?}: {expected:?}"), done).await;
                } else {
                    // The one that listens shows what is done.
                    expected = Some(listens(app, &request, &id).await);
                    seen += 1;
                }
            }
        }
        assert!(seen >= 20, "{seen} routes");
    })
    .await;
}

async fn listens(app: &TestApp, request: &RawRequest, id: &str) -> Vec<String> {
    let answer = app.sends_as(request, id).await;
    assert!((200..300).contains(&answer.status), "{}: {answer:?}", request.path);
    traces(app, id).await
}

/// The paths of the API whose method may change something.
fn writing_routes() -> Vec<String> {
    let document: Value = serde_json::from_str(&civiclens::http::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let writing = |methods: &Value| methods.as_object().unwrap().keys().any(|method| method != "get");
    paths.filter(|(_, methods)| writing(methods)).map(|(path, _)| path.clone()).collect()
}

/// Takes the rows of all people, so that what is done for one waits. It goes on when this is dropped.
async fn hold(app: &TestApp) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut held = app.db.begin().await.unwrap();
    sqlx::query("SELECT id FROM users FOR UPDATE").execute(&mut *held).await.unwrap();
    held
}

/// Sends a request, hangs up while it is in the middle of its work, and lets it go on to its end, which leaves this trace.
async fn hangs_up_in_the_middle(app: &TestApp, request: &RawRequest, expected: &str) {
    let held = hold(app).await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let begun = async {
        eventually("a request that waits", async || (app.count(waiting).await > 0).then_some(())).await;
    };
    app.hangs_up_when(request, "hangs-up-in-the-middle", begun).await;
    held.rollback().await.unwrap();
    let done = async || traces(app, "hangs-up-in-the-middle").await.iter().any(|trace| trace == expected).then_some(());
    eventually(expected, done).await;
}

/// Asks again until it is noted that the answer was lost.
async fn asks_again(app: &TestApp, path: &str, body: &Value) -> crate::support::Answer {
    eventually("the answer that was lost", async || {
        let answer = app.posts(path, body.clone()).await;
        (answer.status == 200).then_some(answer)
    })
    .await
}

const PHONE: &str = "+91 98765 43210";

#[actix::test]
async fn a_code_whose_answer_nobody_got_opens_its_session_to_who_asks_again() {
    story(async |app| {
        let ravi = app.citizen(PHONE);
        ravi.signs_in().await.logs_out().await.ok();
        let sessions = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
        let code = ravi.gets_code().await;
        let enter = RawRequest::post("/api/v1/auth/verify-otp", json!({ "phone": PHONE, "otp": code }));
        hangs_up_in_the_middle(app, &enter, "auth.login_succeeded").await;
        assert_eq!(app.count(sessions).await, 1);
        let first = asks_again(app, "/api/v1/auth/verify-otp", &enter.body).await;
        assert_eq!(app.count(sessions).await, 1, "the same session");
        assert_eq!(app.audited("auth.sign_in_answered_again").await.len(), 1);
        app.whoami(&first.text("access_token")).await.ok();

        // Now somebody has it: to others the code is as spent as any.
        ravi.enters(&code).await.refused(401, "otp_invalid");
        assert_eq!(app.count(sessions).await, 1);
    })
    .await;
}

#[actix::test]
async fn who_lost_an_answer_on_the_way_asks_again_on_the_same_device() {
    story(async |app| {
        let ravi = app.citizen(PHONE);
        let code = ravi.gets_code().await;
        // Devices that were issued tokens when somebody else signed in there.
        let used = app.citizen("98765 43219").signs_in().await.answer.text("device_token");
        let other = app.citizen("98765 43218").signs_in().await.answer.text("device_token");
        let before = app.live_sessions().await;
        let enters_on = async |token: &str| {
            let body = json!({ "phone": PHONE, "otp": code, "device": { "token": token, "name": "Pixel" } });
            app.posts("/api/v1/auth/verify-otp", body).await
        };
        let first = enters_on(&used).await.ok();
        assert_eq!(first.body["is_new_user"], true);
        enters_on(&other).await.refused(401, "otp_invalid");
        ravi.enters(&code).await.refused(401, "otp_invalid");
        let again = enters_on(&used).await.ok();
        assert_eq!(again.body["session_id"], first.body["session_id"]);
        assert_eq!(again.body["is_new_user"], true);
        assert_eq!(again.text("refresh_token"), first.text("refresh_token"));
        // Whoever exchanged the refresh token had the answer.
        app.refreshes(&again.text("refresh_token")).await.ok();
        enters_on(&used).await.refused(401, "otp_invalid");
        assert_eq!(app.live_sessions().await, before + 1);
        assert_eq!(app.failures().await, Vec::<String>::new());
    })
    .await;
}

#[actix::test]
async fn a_second_step_whose_answer_nobody_got_leads_to_its_session_again() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let factor = app.sets_up_totp(&session).await;
        session.logs_out().await.ok();
        let token = app.first_step(PHONE).await;
        let body = json!({ "mfa_token": token, "code": factor.code(app, 0) });
        let path = "/api/v1/auth/verify-2fa";
        hangs_up_in_the_middle(app, &RawRequest::post(path, body.clone()), "auth.login_succeeded").await;
        let other = json!({ "mfa_token": token, "code": factor.code(app, 1) });
        app.posts(path, other).await.refused(401, "mfa_token_invalid");
        let opened = asks_again(app, path, &body).await;
        app.whoami(&opened.text("access_token")).await.ok();
        app.posts(path, body).await.refused(401, "mfa_token_invalid");
        assert_eq!(app.live_sessions().await, 1);
    })
    .await;
}

#[actix::test]
async fn a_code_that_led_to_nothing_is_good_and_one_opens_one_session_however_often_it_is_entered() {
    story(async |app| {
        let ravi = app.citizen(PHONE);
        let code = ravi.gets_code().await;
        // As a process leaves it that dies after the code was spent.
        let mut redis = app.redis().await;
        let key = format!("{}:otp:login:{}", app.settings.redis.prefix, ravi.e164());
        let () = redis::cmd("HSET").arg(&key).arg("spent").arg("somebody").query_async(&mut redis).await.unwrap();
        let wrong = crate::support::wrong(&code);
        for _ in 0..4 {
            ravi.enters(&wrong).await.refused(401, "otp_invalid");
        }
        let at_once = futures::future::join_all((0..8).map(|_| ravi.enters(&code))).await;
        assert_eq!(at_once.iter().filter(|answer| answer.status == 200).count(), 1, "{at_once:?}");
        assert_eq!(app.live_sessions().await, 1);
        // Who guesses at a spent code has no more guesses than at any.
        let code = ravi.gets_code().await;
        let () = redis::cmd("HSET").arg(&key).arg("spent").arg("somebody").query_async(&mut redis).await.unwrap();
        let wrong = crate::support::wrong(&code);
        for _ in 0..5 {
            ravi.enters(&wrong).await.refused(401, "otp_invalid");
        }
        ravi.enters(&code).await.refused(401, "otp_invalid");
        assert_eq!(app.live_sessions().await, 1);
    })
    .await;
}

#[actix::test]
async fn a_reset_whose_answer_nobody_got_is_done_once_and_said_again() {
    story(async |app| {
        app.signs_up(PHONE).await;
        let sent = app.twilio.messages_to("+919876543210").len();
        app.posts("/api/v1/auth/forgot-password", json!({ "phone": PHONE })).await.ok();
        let code = app.code_after("+919876543210", sent).await;
        let new = |password: &str| json!({ "phone": PHONE, "reset_token": code, "new_password": password });
        let path = "/api/v1/auth/reset-password";
        hangs_up_in_the_middle(app, &RawRequest::post(path, new("Other-Quartz-42")), "password.reset").await;
        asks_again(app, path, &new("Other-Quartz-42")).await;
        for password in ["Other-Quartz-42", "Third-Quartz-43"] {
            app.posts(path, new(password)).await.refused(401, "reset_token_invalid");
        }
        app.logs_in(PHONE, "Other-Quartz-42").await.ok();
        assert_eq!(app.audited("password.reset").await.len(), 1);
    })
    .await;
}
