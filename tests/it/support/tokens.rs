//! Tokens and what becomes of them: refreshing, looking where they are good, and reaching behind the service.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use civiclens_actors::domain::clock::Clock;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::time::Instant;

use super::{Answer, PASSWORD, Session, TestApp, eventually};

impl Session<'_> {
    /// The refresh token.
    pub(crate) fn refresh_token(&self) -> &str {
        self.answer.body["refresh_token"].as_str().unwrap()
    }
}

impl Answer {
    /// A text of the body.
    #[track_caller]
    pub(crate) fn text(&self, field: &str) -> String {
        self.body[field].as_str().unwrap_or_else(|| panic!("no {field}: {self:?}")).to_owned()
    }
}

/// Text as a literal of SQL.
fn sql_time(time: DateTime<Utc>) -> String {
    format!("'{}'::timestamptz", time.to_rfc3339_opts(SecondsFormat::Micros, true))
}

impl TestApp {
    /// Exchanges a refresh token.
    pub(crate) async fn refreshes(&self, token: &str) -> Answer {
        self.posts("/api/v1/auth/refresh-token", json!({ "refresh_token": token })).await
    }

    /// Signs in with [`PASSWORD`], with these headers and this much more in the body.
    pub(crate) async fn enters_with(&self, phone: &str, headers: &[(&str, &str)], more: Value) -> Session<'_> {
        let mut body = json!({ "phone": phone, "password": PASSWORD });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = self.http.post(self.at("/api/v1/auth/login")).json(&body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Session::of(self, Answer::of(request).await.ok())
    }

    pub(crate) async fn whoami(&self, token: &str) -> Answer {
        self.gets_as(token, "/api/v1/auth/whoami").await
    }

    /// Waits until the holder of `token` is refused. Answers how long that took.
    pub(crate) async fn refuses_soon(&self, token: &str) -> Duration {
        let started = Instant::now();
        let refused = async || (self.whoami(token).await.status == 401).then_some(());
        eventually("a refusal", refused).await;
        started.elapsed()
    }

    /// Runs a statement behind the back of the service.
    pub(crate) async fn runs(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into())).execute(&self.db).await.unwrap();
    }

    /// The one number that a query answers.
    pub(crate) async fn number(&self, sql: impl Into<String>) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.into())).fetch_one(&self.db).await.unwrap()
    }

    /// The one text that a query answers.
    pub(crate) async fn text(&self, sql: impl Into<String>) -> String {
        sqlx::query_scalar(AssertSqlSafe(sql.into())).fetch_one(&self.db).await.unwrap()
    }

    /// A session's row, and which transaction wrote it last.
    pub(crate) async fn row_of(&self, session: i64) -> String {
        self.text(format!("SELECT xmin::text || ' ' || row_to_json(s)::text FROM sessions s WHERE id = {session}"))
            .await
    }

    /// How a session ended; empty as long as it lives.
    pub(crate) async fn end_of(&self, session: i64) -> String {
        self.text(format!("SELECT coalesce(revoked_reason, '') FROM sessions WHERE id = {session}")).await
    }

    /// How many rows the audit log has of `action` about a session.
    pub(crate) async fn audited_about(&self, action: &str, session: i64) -> i64 {
        let about = format!("action = '{action}' AND resource_id = '{session}'");
        self.number(format!("SELECT count(*) FROM audit_log WHERE {about}")).await
    }

    /// Begins another token epoch of a user, with whatever else changes of them.
    pub(crate) async fn begins_epoch(&self, user: i64, and: &str) {
        let now = sql_time(self.clock.now());
        let set = format!(
            "token_epoch = token_epoch + 1, tokens_revoked_at = {now}, tokens_until = {now} + interval '24 h'{and}"
        );
        self.runs(format!("UPDATE users SET {set} WHERE id = {user}")).await;
    }

    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.settings.redis.url.expose()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Empties Redis, as far as it is the story's own.
    pub(crate) async fn redis_forgets(&self) {
        let mut redis = self.redis().await;
        let pattern = format!("{}:*", self.settings.redis.prefix);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut redis).await.unwrap();
        if !keys.is_empty() {
            let _: u64 = redis::cmd("DEL").arg(keys).query_async(&mut redis).await.unwrap();
        }
    }
}
