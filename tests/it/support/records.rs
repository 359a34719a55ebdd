//! What was recorded, and what was said of it.

use civiclens_nats::subjects::StreamKind;
use serde_json::Value;
use sqlx::Row;

use super::events::Event;
use super::{Answer, TestApp, eventually};

/// A row of the audit log.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) user: Option<i64>,
    pub(crate) actor: Option<i64>,
    pub(crate) details: Value,
}

impl TestApp {
    /// What the audit log says of `action`, oldest first.
    pub(crate) async fn audited(&self, action: &str) -> Vec<Record> {
        let rows = sqlx::query("SELECT user_id, actor_id, details FROM audit_log WHERE action = $1 ORDER BY id");
        let rows = rows.bind(action).fetch_all(&self.db).await.unwrap();
        let record = |row: sqlx::postgres::PgRow| Record { user: row.get(0), actor: row.get(1), details: row.get(2) };
        rows.into_iter().map(record).collect()
    }

    /// The reasons of the failed logins, in the order of the audit log.
    pub(crate) async fn failures(&self) -> Vec<String> {
        let failed = self.audited("auth.login_failed").await;
        failed.iter().map(|record| record.details["reason"].as_str().unwrap().to_owned()).collect()
    }

    /// The events of one name, once there are `count`.
    pub(crate) async fn events_of(&self, name: &str, count: usize) -> Vec<Event> {
        eventually(&format!("{count} of {name}"), async || {
            let all = self.on_stream(StreamKind::Events, 0).await;
            let named: Vec<_> = all.into_iter().filter(|event| event.name() == name).collect();
            (named.len() >= count).then_some(named)
        })
        .await
    }
}

impl Answer {
    /// Everything it tells, but for what names the request.
    pub(crate) fn told(&self) -> (u16, Vec<(String, String)>, Value) {
        let told = self.headers.iter().filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()));
        let mut headers: Vec<_> =
            told.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        headers.sort();
        let mut body = self.body.clone();
        if let Some(body) = body.as_object_mut() {
            body.remove("request_id");
        }
        (self.status, headers, body)
    }
}
