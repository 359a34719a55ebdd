//! The audit log: append-only, a month to a partition.

use chrono::{DateTime, Months, NaiveDate, Utc};
use sqlx::PgConnection;
use sqlx::types::ipnetwork::IpNetwork;

use super::{Db, Error};
use crate::domain::audit::Entry;

/// For how many months ahead there are partitions.
const MONTHS_AHEAD: u32 = 3;

/// Appends entries in one statement, in order.
pub(super) async fn insert(connection: &mut PgConnection, entries: &[Entry], now: DateTime<Utc>) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let actions: Vec<_> = entries.iter().map(|e| e.action.as_str().to_owned()).collect();
    let actors: Vec<_> = entries.iter().map(|e| e.actor.map(crate::domain::principal::UserId::get)).collect();
    let subjects: Vec<_> = entries.iter().map(|e| e.subject.map(crate::domain::principal::UserId::get)).collect();
    let kinds: Vec<_> = entries.iter().map(|e| e.resource.as_ref().map(|r| r.0.to_owned())).collect();
    let ids: Vec<_> = entries.iter().map(|e| e.resource.as_ref().map(|r| r.1.clone())).collect();
    let addresses: Vec<_> = entries.iter().map(|e| e.ip.map(IpNetwork::from)).collect();
    let agents: Vec<_> = entries.iter().map(|e| e.user_agent.clone()).collect();
    let requests: Vec<_> = entries.iter().map(|e| e.request_id.clone()).collect();
    let details: Vec<_> = entries.iter().map(|e| serde_json::Value::Object(e.details.clone())).collect();
    sqlx::query!(
        "INSERT INTO audit_log (created_at, action, actor_id, user_id, resource_type, resource_id, ip_address,
                                user_agent, request_id, details)
         SELECT $1, * FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::inet[],
                                  $8::text[], $9::text[], $10::jsonb[])",
        now,
        &actions,
        &actors as &[Option<i64>],
        &subjects as &[Option<i64>],
        &kinds as &[Option<String>],
        &ids as &[Option<String>],
        &addresses as &[Option<IpNetwork>],
        &agents as &[Option<String>],
        &requests as &[Option<String>],
        &details,
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Db {
    /// Appends entries that belong to no other change, in one transaction of their own.
    pub async fn append_audit(&self, entries: &[Entry], now: DateTime<Utc>) -> Result<(), Error> {
        let mut connection = self.pool().acquire().await?;
        insert(&mut connection, entries, now).await
    }

    /// Makes the partitions of the month of `today` and of the `MONTHS_AHEAD` that follow, each in a transaction of its
    /// own and the coming ones first: a month that cannot be made keeps no other from it. Answers how many it made.
    ///
    /// # Errors
    /// The last failure, after every month was tried.
    pub async fn ensure_audit_partitions(&self, today: NaiveDate) -> Result<i32, Error> {
        let mut made = Ok(0);
        for ahead in (0..=MONTHS_AHEAD).rev() {
            let month = today.checked_add_months(Months::new(ahead)).unwrap_or(today);
            let one =
                sqlx::query_scalar!("SELECT ensure_audit_partitions($1, $2)", month, 0).fetch_one(self.pool()).await;
            match one {
                Ok(one) => made = made.map(|made| made + one.unwrap_or_default()),
                Err(error) => made = Err(error.into()),
            }
        }
        made
    }
}
