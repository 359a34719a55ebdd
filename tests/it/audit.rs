//! Every success and every failure leaves its rows, and is told to others by its events.

use std::collections::BTreeMap;

use civiclens_actors::domain::clock::Clock;
use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, TestApp, backup_codes, names, story, totp, wrong};

const PHONE: &str = "98765 43210";
const E164: &str = "+919876543210";
const NEW: &str = "Quartz-Lantern-7";
const AGENT: &str = "Inspector/1.0";

/// Somebody whose every request is looked up in the audit log.
struct Inspector<'a> {
    app: &'a TestApp,
    http: reqwest::Client,
    /// The user it is all about, once there is one.
    user: Option<i64>,
    /// The events that each request must have led to.
    expected: BTreeMap<String, Vec<&'static str>>,
}

/// What is expected of a request.
struct Rows(u16, &'static [&'static str], &'static [&'static str]);

impl<'a> Inspector<'a> {
    fn new(app: &'a TestApp) -> Self {
        let http = reqwest::Client::builder().no_proxy().user_agent(AGENT).build().unwrap();
        Self { app, http, user: None, expected: BTreeMap::new() }
    }

    /// Posts, and checks that exactly these rows were left.
    async fn posts(&mut self, token: Option<&str>, path: &str, body: Value, expected: Rows) -> Answer {
        let request = self.http.post(self.app.at(&format!("/api/v1/auth/{path}"))).json(&body);
        let answer = Answer::of(match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
        .await;
        let Rows(status, actions, events) = expected;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        let rows = self.app.recorded(&answer).await;
        let found: Vec<_> = rows.iter().map(|row| row.action.as_str()).collect();
        assert_eq!(found, actions, "{path} {status}");
        for row in rows {
            assert_eq!(row.ip.as_deref(), Some("127.0.0.1"), "{row:?}");
            assert_eq!(row.user_agent.as_deref(), Some(AGENT), "{row:?}");
            if self.user.is_some() {
                assert_eq!(row.user, self.user, "{path}: {row:?}");
            }
            // Nobody is named as the doer who did not prove to be it.
            let failed =
                ["failed", "locked"].iter().any(|word| row.action.starts_with("auth.") && row.action.contains(word));
            assert!(!failed || row.actor.is_none(), "{row:?}");
            let details = row.details.to_string().to_lowercase();
            for personal in ["98765", "ravi", "kumar", "example.org", "quartz", "zebra"] {
                assert!(!details.contains(personal), "{personal}: {row:?}");
            }
        }
        self.expected.insert(answer.header("x-request-id").unwrap().to_owned(), events.to_vec());
        answer
    }

    /// Checks that each request led to its events and to no others.
    async fn told(self) {
        let all = self.app.everything_announced().await;
        for (request, expected) in &self.expected {
            let of: Vec<_> = all.iter().filter(|event| event.request_id == *request).cloned().collect();
            let mut found: Vec<_> = names(&of).into_iter().map(|name| name.trim_start_matches("event.")).collect();
            let mut expected = expected.clone();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{request}");
        }
        for event in &all {
            let (kind, data) = (&event.body["type"], &event.body["data"]);
            let name = event.name().trim_start_matches("event.");
            assert_eq!(kind, &format!("in.civiclens.identity.{name}.v1"));
            assert_eq!(event.body["specversion"], "1.0");
            assert_eq!(event.body["id"], event.message_id.as_str());
            assert_eq!(event.body["subject"], data["user_id"].to_string());
            assert_eq!(fields(data), contract(name), "{name}");
            assert!(!event.body.to_string().contains("98765"), "{event:?}");
        }
    }
}

fn fields(data: &Value) -> Vec<&str> {
    data.as_object().unwrap().keys().map(String::as_str).collect()
}

/// The fields of an event's payload, sorted.
fn contract(name: &str) -> Vec<&'static str> {
    match name {
        "user.registered" => {
            vec!["account_created_via", "preferred_language", "registered_at", "role", "user_id"]
        }
        "session.opened" => {
            vec!["device", "expires_at", "is_new_user", "login_method", "opened_at", "role", "session_id", "user_id"]
        }
        "session.revoked" => vec!["reason", "revoked_at", "session_id", "user_id"],
        "security.login_failed" => vec!["failed_at", "method", "reason", "user_id"],
        "security.account_locked" => vec!["locked_at", "locked_until", "reason", "user_id"],
        "security.two_factor_changed" => vec!["change", "changed_at", "method", "user_id"],
        "security.password_changed" => vec!["changed_at", "user_id", "via"],
        other => panic!("{other} is not in this story"),
    }
}

const LOGIN_FAILED: Rows = Rows(401, &["auth.login_failed"], &["security.login_failed"]);
const LOGGED_IN: Rows = Rows(200, &["auth.login_succeeded"], &["session.opened"]);
const SECOND_STEP: Rows = Rows(401, &["auth.second_step_required"], &[]);

fn text(answer: &Answer, field: &str) -> String {
    answer.body[field].as_str().unwrap_or_else(|| panic!("{field}: {answer:?}")).to_owned()
}

fn login(password: &str) -> Value {
    json!({ "phone": PHONE, "password": password })
}

#[actix::test]
async fn signing_up_in_and_changing_a_password() {
    story(async |app| {
        let mut it = Inspector::new(app);
        let body =
            json!({ "phone": PHONE, "full_name": "Ravi Kumar", "email": "ravi@example.org", "password": PASSWORD });
        it.posts(None, "signup", body, Rows(201, &["auth.signup_started"], &[])).await;
        let code = app.code_after(E164, 0).await;
        let body = json!({ "phone": PHONE, "otp": wrong(&code) });
        it.posts(None, "verify-phone", body, Rows(401, &["auth.login_failed"], &[])).await;
        let body = json!({ "phone": PHONE, "otp": code });
        let rows = Rows(200, &["user.registered", "auth.login_succeeded"], &["user.registered", "session.opened"]);
        let first = it.posts(None, "verify-phone", body, rows).await;
        it.user = first.body["user_id"].as_i64();
        let token = text(&first, "access_token");
        it.posts(None, "login", login("Wrong-Guess-99"), LOGIN_FAILED).await;
        it.posts(None, "login", login(PASSWORD), LOGGED_IN).await;

        let say = |password: &str| json!({ "password": password });
        let refused = Rows(422, &["password.refused"], &["security.login_failed"]);
        it.posts(Some(&token), "verify-password", say("Wrong-Guess-99"), refused).await;
        it.posts(Some(&token), "verify-password", say(PASSWORD), Rows(200, &["password.verified"], &[])).await;
        let change = |old: &str| json!({ "old_password": old, "new_password": NEW });
        let refused = Rows(422, &["password.refused"], &["security.login_failed"]);
        it.posts(Some(&token), "change-password", change("Wrong-Guess-99"), refused).await;
        let changed = Rows(200, &["password.changed"], &["security.password_changed", "session.revoked"]);
        it.posts(Some(&token), "change-password", change(PASSWORD), changed).await;
        it.told().await;
    })
    .await;
}

#[actix::test]
async fn resetting_a_password() {
    story(async |app| {
        let user = app.signs_up(PHONE).await.user_id();
        let mut it = Inspector::new(app);
        let unknown = json!({ "phone": "98765 43219" });
        it.posts(None, "forgot-password", unknown, Rows(200, &["password.reset_requested"], &[])).await;
        let reset = |token: &str| json!({ "phone": PHONE, "reset_token": token, "new_password": NEW });
        let failed = || Rows(401, &["password.reset_failed"], &[]);
        it.posts(None, "reset-password", reset("123456"), failed()).await;
        it.posts(None, "reset-password", json!({ "reset_token": "x", "new_password": NEW }), failed()).await;
        it.user = Some(user);
        it.posts(None, "forgot-password", json!({ "phone": PHONE }), Rows(200, &["password.reset_requested"], &[]))
            .await;
        let code = app.code_after(E164, 1).await;
        let guessed = Rows(401, &["password.reset_failed"], &["security.login_failed"]);
        it.posts(None, "reset-password", reset(&wrong(&code)), guessed).await;
        let done = Rows(200, &["password.reset"], &["security.password_changed", "session.revoked"]);
        it.posts(None, "reset-password", reset(&code), done).await;
        it.posts(None, "reset-password", reset(&code), failed()).await;
        it.told().await;
    })
    .await;
}

#[actix::test]
async fn a_second_factor_from_its_first_day_to_its_last() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let mut it = Inspector::new(app);
        it.user = Some(session.user_id());
        let token = Some(session.token.as_str());
        let started = Rows(200, &["two_factor.enrolment_started"], &[]);
        let secret = text(&it.posts(token, "enable-2fa", json!({ "method": "totp" }), started).await, "secret");
        let now = || totp(&secret, app.clock.now());
        let failed = || Rows(422, &["two_factor.failed"], &["security.login_failed"]);
        it.posts(token, "verify-2fa", json!({ "code": wrong(&now()) }), failed()).await;
        let enabled = Rows(200, &["two_factor.enabled"], &["security.two_factor_changed"]);
        let codes = backup_codes(&it.posts(token, "verify-2fa", json!({ "code": now() }), enabled).await);
        app.minutes_pass(1);

        let step = text(&it.posts(None, "login", login(PASSWORD), SECOND_STEP).await, "mfa_token");
        let second = |code: &str| json!({ "mfa_token": step, "code": code });
        it.posts(None, "verify-2fa", second(&wrong(&now())), LOGIN_FAILED).await;
        it.posts(None, "verify-2fa", second(&now()), LOGGED_IN).await;
        let step = text(&it.posts(None, "login", login(PASSWORD), SECOND_STEP).await, "mfa_token");
        let second = |code: &str, method: &str| json!({ "mfa_token": step, "code": code, "method": method });
        it.posts(None, "verify-2fa", second(&now(), "totp"), LOGIN_FAILED).await;
        let used = Rows(200, &["two_factor.backup_code_used", "auth.login_succeeded"], &["session.opened"]);
        it.posts(None, "verify-2fa", second(&codes[0], "backup_code"), used).await;

        let renewed = Rows(200, &["two_factor.backup_codes_renewed"], &["security.two_factor_changed"]);
        it.posts(token, "backup-codes", json!({}), renewed).await;
        let refused = Rows(422, &["password.refused"], &["security.login_failed"]);
        it.posts(token, "disable-2fa", json!({ "password": "Wrong-Guess-99" }), refused).await;
        it.posts(token, "disable-2fa", json!({ "code": "AAAAA-AAAAA" }), failed()).await;
        let disabled =
            Rows(200, &["two_factor.disabled"], &["security.two_factor_changed", "session.revoked", "session.revoked"]);
        app.minutes_pass(1);
        it.posts(token, "step-up", json!({ "code": now() }), Rows(200, &["two_factor.verified"], &[])).await;
        app.minutes_pass(1);
        it.posts(token, "disable-2fa", json!({ "code": now() }), disabled).await;
        it.told().await;
    })
    .await;
}

#[actix::test]
async fn a_session_that_guesses() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        let mut it = Inspector::new(app);
        it.user = Some(session.user_id());
        let token = Some(session.token.as_str());
        let body = json!({ "password": "Wrong-Guess-99" });
        for _ in 0..5 {
            let refused = Rows(422, &["password.refused"], &["security.login_failed"]);
            it.posts(token, "verify-password", body.clone(), refused).await;
        }
        let refused = || Rows(429, &["password.refused"], &["security.login_failed"]);
        it.posts(token, "verify-password", body.clone(), refused()).await;
        it.posts(token, "change-password", json!({ "old_password": PASSWORD, "new_password": NEW }), refused()).await;
        it.posts(None, "login", login(PASSWORD), LOGGED_IN).await;

        app.has_admin("98765 00001").await;
        let (admin, _) = app.admin_signs_in("98765 00001").await;
        it.user = Some(admin.user_id());
        let denied = Rows(403, &["auth.denied"], &[]);
        it.posts(Some(&admin.token), "disable-2fa", json!({ "password": PASSWORD }), denied).await;
    })
    .await;
}

#[actix::test]
async fn an_account_that_locks() {
    story(async |app| {
        let session = app.signs_up(PHONE).await;
        app.sets_up_totp(&session).await;
        let mut it = Inspector::new(app);
        it.user = Some(session.user_id());
        let step = text(&it.posts(None, "login", login(PASSWORD), SECOND_STEP).await, "mfa_token");
        let second = json!({ "mfa_token": step, "code": "00000-00000", "method": "backup_code" });
        for _ in 0..4 {
            it.posts(None, "verify-2fa", second.clone(), LOGIN_FAILED).await;
        }
        let locked = Rows(
            401,
            &["auth.login_failed", "auth.account_locked"],
            &["security.login_failed", "security.account_locked"],
        );
        it.posts(None, "login", login("Wrong-Guess-99"), locked).await;
        let refused = || Rows(429, &["auth.login_failed"], &["security.login_failed"]);
        it.posts(None, "login", login(PASSWORD), refused()).await;
        it.posts(None, "verify-2fa", second, refused()).await;
        let sent = app.twilio.messages_to(E164).len();
        it.posts(None, "forgot-password", json!({ "phone": PHONE }), Rows(200, &["password.reset_requested"], &[]))
            .await;
        // Who is locked out can still reset the password: what is tried with the code is counted by itself.
        let code = app.code_after(E164, sent).await;
        let reset = |code: &str| json!({ "phone": PHONE, "reset_token": code, "new_password": NEW });
        let guessed = Rows(401, &["password.reset_failed"], &["security.login_failed"]);
        it.posts(None, "reset-password", reset(&wrong(&code)), guessed).await;
        let done = Rows(200, &["password.reset"], &["security.password_changed", "session.revoked"]);
        it.posts(None, "reset-password", reset(&code), done).await;
        // That ends no lock.
        let refused = Rows(429, &["auth.login_failed"], &["security.login_failed"]);
        it.posts(None, "login", login(NEW), refused).await;
        let failures = it.app.everything_announced().await;
        let failures = failures.iter().filter(|e| e.name() == "event.security.login_failed");
        let reasons: Vec<_> = failures.map(|e| e.body["data"]["reason"].as_str().unwrap()).collect();
        assert_eq!(reasons[..4], ["wrong_code"; 4]);
        assert_eq!(reasons[4..], ["wrong_password", "locked", "locked", "wrong_code", "locked"]);
        it.told().await;
    })
    .await;
}
