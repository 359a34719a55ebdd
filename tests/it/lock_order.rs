//! Everything that is done for one user at once: nobody waits in a circle, and nobody is refused for it.

use std::time::Duration;

use civiclens::config::Settings;
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::limit::Rate;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{PASSWORD, RawRequest, Session, TestApp, WRONG, story_with, totp};

/// What can be done for a user, or by them.
const ACTS: [&str; 14] = [
    "login",
    "login_wrong",
    "verify-otp",
    "refresh-token",
    "logout",
    "logout-others",
    "logout-all",
    "end-session",
    "revoke-sessions",
    "unlock",
    "verify-password",
    "change-password",
    "reset-password",
    "disable-2fa",
];
const PHONE: &str = "98765 43210";
/// How often each of a pair is done at once.
const AT_ONCE: usize = 3;

/// A user with some sessions, and what it takes to do each act.
struct Ground<'a> {
    phone: String,
    sessions: Vec<Session<'a>>,
    login_code: String,
    reset_code: String,
    admin: &'a str,
}

impl<'a> Ground<'a> {
    async fn of(app: &'a TestApp, number: usize, admin: &'a str, acts: [&str; 2]) -> Self {
        let phone = format!("+91 98{number:03} 54321");
        let e164 = phone.replace(' ', "");
        let mut sessions = vec![app.signs_up(&phone).await];
        let (mut login_code, mut reset_code) = (String::new(), String::new());
        if acts.contains(&"disable-2fa") {
            let secret = app.begins_totp(&sessions[0].token).await;
            app.confirms(&sessions[0].token, &totp(&secret, app.clock.now())).await.ok();
        } else {
            for _ in 0..3 {
                sessions.push(app.enters(&phone).await);
            }
        }
        let sent = app.twilio.messages_to(&e164).len();
        if acts.contains(&"verify-otp") {
            app.citizen(&phone).requests_code().await.ok();
            login_code = app.code_after(&e164, sent).await;
        }
        let sent = app.twilio.messages_to(&e164).len();
        if acts.contains(&"reset-password") {
            app.posts("/api/v1/auth/forgot-password", json!({ "phone": phone })).await.ok();
            reset_code = app.code_after(&e164, sent).await;
        }
        Self { phone, sessions, login_code, reset_code, admin }
    }

    /// The `number`th of several such requests.
    fn request(&self, act: &str, number: usize) -> RawRequest {
        let session = &self.sessions[number % self.sessions.len()];
        let auth = |name: &str, body: Value| RawRequest::post(&format!("/api/v1/auth/{name}"), body);
        let by_admin = |name: &str| {
            let path = format!("/api/v1/admin/users/{}/{name}", session.user_id());
            RawRequest::post(&path, Value::Null).by(self.admin)
        };
        let phone = &self.phone;
        match act {
            "login" => auth("login", json!({ "phone": phone, "password": PASSWORD })),
            "login_wrong" => auth("login", json!({ "phone": phone, "password": WRONG })),
            "verify-otp" => auth("verify-otp", json!({ "phone": phone, "otp": self.login_code })),
            "refresh-token" => auth(act, json!({ "refresh_token": session.answer.text("refresh_token") })),
            "end-session" => {
                let path = format!("/api/v1/auth/sessions/{}", session.id());
                RawRequest { method: "DELETE".to_owned(), ..RawRequest::post(&path, Value::Null).by(&session.token) }
            }
            "revoke-sessions" | "unlock" => by_admin(act),
            "verify-password" | "disable-2fa" => auth(act, json!({ "password": PASSWORD })).by(&session.token),
            "change-password" => {
                let body = json!({ "old_password": PASSWORD, "new_password": "Other-Quartz-42" });
                auth(act, body).by(&session.token)
            }
            "reset-password" => {
                auth(act, json!({ "phone": phone, "reset_token": self.reset_code, "new_password": "Third-Quartz-43" }))
            }
            _ => auth(act, Value::Null).by(&session.token),
        }
    }
}

fn unlimited(settings: &mut Settings) {
    let wide = Rate { count: 100_000, window: Duration::from_hours(1) };
    let limits = &mut settings.rate_limit;
    limits.otp = wide;
    limits.otp_per_address = wide;
    limits.login = wide;
    limits.login_per_address = wide;
    limits.password_reset = wide;
    limits.password_reset_per_address = wide;
    settings.account.max_login_attempts = 1_000;
    settings.database.max_connections = 12;
}

/// Logging in ends the oldest sessions, and others end the same ones meanwhile.
#[actix::test]
async fn who_logs_in_while_sessions_are_ended_waits_and_is_let_in() {
    let many = |settings: &mut Settings| {
        unlimited(settings);
        settings.database.max_connections = 16;
    };
    story_with(many, async |app| {
        let admin = app.admin().await.token;
        let session = app.signs_up(PHONE).await;
        let login = RawRequest::post("/api/v1/auth/login", json!({ "phone": PHONE, "password": PASSWORD }));
        let path = format!("/api/v1/admin/users/{}/revoke-sessions", session.user_id());
        let revoke = RawRequest::post(&path, Value::Null).by(&admin);
        for _ in 0..15 {
            let tokens: Vec<_> = join_all((0..3).map(|_| app.enters(PHONE))).await;
            let end = |name: &str, index: usize| {
                RawRequest::post(&format!("/api/v1/auth/{name}"), Value::Null).by(&tokens[index].token)
            };
            let requests = [
                login.clone(),
                end("logout-all", 0),
                login.clone(),
                end("logout-others", 1),
                login.clone(),
                revoke.clone(),
                login.clone(),
                end("logout", 2),
            ];
            for answer in join_all(requests.iter().map(|request| app.sends(request))).await {
                assert!(answer.status < 500, "{answer:?}");
            }
        }
    })
    .await;
}

#[actix::test]
async fn any_two_acts_for_one_user_at_once_wait_for_each_other_and_never_in_a_circle() {
    story_with(unlimited, async |app| {
        let admin = app.admin().await.token;
        let mut number = 0;
        let mut done = [0; ACTS.len()];
        for (first, one) in ACTS.iter().enumerate() {
            for (second, other) in ACTS.iter().enumerate().skip(first) {
                number += 1;
                let ground = Ground::of(app, number, &admin, [one, other]).await;
                let requests: Vec<_> = (0..2 * AT_ONCE)
                    .map(|turn| (turn % 2, ground.request(if turn % 2 == 0 { one } else { other }, turn / 2)))
                    .collect();
                let statuses = join_all(requests.iter().map(|(_, request)| app.sends(request))).await;
                for ((which, _), answer) in requests.iter().zip(&statuses) {
                    assert!(answer.status < 500, "{one} against {other}: {answer:?}");
                    done[if *which == 0 { first } else { second }] += usize::from(answer.status < 300);
                }
            }
        }
        for (act, done) in ACTS.iter().zip(done) {
            assert!(*act == "login_wrong" || done > 0, "{act} never worked");
        }
        let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(app.count(sql).await, 0);
    })
    .await;
}
