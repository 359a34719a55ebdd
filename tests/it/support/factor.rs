//! Second factors, and what is recorded and said of them.

use chrono::TimeDelta;
use civiclens_actors::domain::clock::Clock;
use serde_json::{Value, json};
use sqlx::Row;

use super::events::Event;
use super::{Answer, PASSWORD, Session, TestApp, eventually, totp};

/// A row of the audit log, as far as it is about who asked.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) action: String,
    pub(crate) actor: Option<i64>,
    pub(crate) user: Option<i64>,
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) details: Value,
}

/// An authenticator app, and the paper with the backup codes.
#[derive(Debug)]
pub(crate) struct Factor {
    pub(crate) secret: String,
    pub(crate) backup_codes: Vec<String>,
}

impl Factor {
    /// What the app shows so many steps from now.
    pub(crate) fn code(&self, app: &TestApp, steps: i32) -> String {
        totp(&self.secret, app.clock.now() + TimeDelta::seconds(30) * steps)
    }
}

/// The backup codes in an answer.
pub(crate) fn backup_codes(answer: &Answer) -> Vec<String> {
    let codes = answer.body["backup_codes"].as_array().unwrap_or_else(|| panic!("no codes: {answer:?}"));
    codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

impl TestApp {
    /// Begins to set up an authenticator app. Answers its secret.
    pub(crate) async fn begins_totp(&self, token: &str) -> String {
        let answer = self.posts_as(token, "/api/v1/auth/enable-2fa", json!({ "method": "totp" })).await.ok();
        answer.body["secret"].as_str().unwrap().to_owned()
    }

    /// Begins to set up another authenticator app than the one in force, with a code of that one. Answers its secret.
    pub(crate) async fn replaces_totp(&self, token: &str, code: &str) -> String {
        let body = json!({ "method": "totp", "code": code });
        let answer = self.posts_as(token, "/api/v1/auth/enable-2fa", body).await.ok();
        answer.body["secret"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn confirms(&self, token: &str, code: &str) -> Answer {
        self.posts_as(token, "/api/v1/auth/verify-2fa", json!({ "code": code })).await
    }

    /// Sets up an authenticator app; then some time passes, so that it shows another code.
    pub(crate) async fn sets_up_totp(&self, session: &Session<'_>) -> Factor {
        let secret = self.begins_totp(&session.token).await;
        let confirmed = self.confirms(&session.token, &totp(&secret, self.clock.now())).await.ok();
        self.minutes_pass(1);
        Factor { secret, backup_codes: backup_codes(&confirmed) }
    }

    /// Sets up codes by SMS.
    pub(crate) async fn sets_up_sms(&self, session: &Session<'_>, phone: &str) -> Answer {
        let sent = self.twilio.messages_to(phone).len();
        self.posts_as(&session.token, "/api/v1/auth/enable-2fa", json!({ "method": "sms" })).await.ok();
        let code = self.code_after(phone, sent).await;
        self.confirms(&session.token, &code).await.ok()
    }

    /// The first code to a phone after so many messages.
    pub(crate) async fn code_after(&self, phone: &str, sent: usize) -> String {
        eventually("a code", async || {
            let later = self.twilio.messages_to(phone).into_iter().skip(sent);
            later
                .map(|message| message.body.split(' ').next().unwrap_or_default().to_owned())
                .find(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
        })
        .await
    }

    /// The text of an SMS to a phone that holds `words`.
    pub(crate) async fn hears(&self, phone: &str, words: &str) -> String {
        eventually(words, async || {
            self.twilio.messages_to(phone).into_iter().map(|sms| sms.body).find(|text| text.contains(words))
        })
        .await
    }

    /// Passes the first step with [`PASSWORD`]. Answers the token for the second.
    pub(crate) async fn first_step(&self, phone: &str) -> String {
        let answer = self.logs_in(phone, PASSWORD).await.asks_for_more();
        answer.body["mfa_token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn second_step(&self, mfa_token: &str, code: &str, method: Option<&str>) -> Answer {
        let mut body = json!({ "mfa_token": mfa_token, "code": code });
        if let Some(method) = method {
            body["method"] = method.into();
        }
        self.posts("/api/v1/auth/verify-2fa", body).await
    }

    /// Has the owner of a phone an address that they proved.
    pub(crate) async fn proves_email(&self, user: i64, email: &str) {
        let update = sqlx::query("UPDATE users SET email = $2, email_verified = true WHERE id = $1");
        update.bind(user).bind(email).execute(&self.db).await.unwrap();
    }

    /// What the audit log holds of the request that was answered, in order.
    pub(crate) async fn recorded(&self, answer: &Answer) -> Vec<Recorded> {
        let rows = sqlx::query(
            "SELECT action, actor_id, user_id, host(ip_address), user_agent, details FROM audit_log WHERE request_id = $1 ORDER BY id",
        );
        let rows = rows.bind(answer.header("x-request-id")).fetch_all(&self.db).await.unwrap();
        let recorded = |row: sqlx::postgres::PgRow| Recorded {
            action: row.get(0),
            actor: row.get(1),
            user: row.get(2),
            ip: row.get(3),
            user_agent: row.get(4),
            details: row.get(5),
        };
        rows.into_iter().map(recorded).collect()
    }

    /// Everything that was announced, once nothing waits to be.
    pub(crate) async fn everything_announced(&self) -> Vec<Event> {
        let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
        eventually("an empty outbox", async || (self.count(waiting).await == 0).then_some(())).await;
        self.events(0).await
    }

    /// The live sessions.
    pub(crate) async fn live_sessions(&self) -> i64 {
        self.count("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").await
    }
}
