//! What follows from a change: its audit entries and its messages, in one statement, since every one costs a round trip.

use chrono::{DateTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;
use sqlx::{Executor, Postgres};

use super::Error;
use super::bell::Bell;
use super::outbox::{CHANNEL, Message};
use crate::domain::audit::Entry;
use crate::domain::principal::UserId;

/// Appends entries to the audit log and messages to the outbox, each in order, and wakes the relays when the transaction
/// commits, if the bell rings.
pub(super) async fn insert<'c>(
    connection: impl Executor<'c, Database = Postgres>,
    entries: &[Entry],
    messages: &[Message],
    bell: &Bell,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    if entries.is_empty() && messages.is_empty() {
        return Ok(());
    }
    let actions: Vec<_> = entries.iter().map(|e| e.action.as_str()).collect();
    let actors: Vec<_> = entries.iter().map(|e| e.actor.map(UserId::get)).collect();
    let subjects: Vec<_> = entries.iter().map(|e| e.subject.map(UserId::get)).collect();
    let kinds: Vec<_> = entries.iter().map(|e| e.resource.as_ref().map(|r| r.0)).collect();
    let resources: Vec<_> = entries.iter().map(|e| e.resource.as_ref().map(|r| r.1.as_str())).collect();
    let addresses: Vec<_> = entries.iter().map(|e| e.ip.map(IpNetwork::from)).collect();
    let agents: Vec<_> = entries.iter().map(|e| e.user_agent.as_deref()).collect();
    let requests: Vec<_> = entries.iter().map(|e| e.request_id.as_deref()).collect();
    let details: Vec<_> = entries.iter().map(Entry::details_json).collect();
    let ids: Vec<_> = messages.iter().map(|m| m.id).collect();
    let lanes: Vec<_> = messages.iter().map(Message::lane).collect();
    let keys: Vec<_> = messages.iter().map(|m| m.key).collect();
    let places: Vec<_> = messages.iter().map(|m| m.subject.as_str()).collect();
    let payloads: Vec<_> = messages.iter().map(|m| m.payload.as_str()).collect();
    let causes: Vec<_> = messages.iter().map(|m| m.request_id.as_deref()).collect();
    let ends: Vec<_> = messages.iter().map(|m| m.expires_at).collect();
    sqlx::query!(
        "WITH recorded AS (
             INSERT INTO audit_log (created_at, action, actor_id, user_id, resource_type, resource_id, ip_address,
                                    user_agent, request_id, details)
             SELECT $1, e.action, e.actor, e.subject, e.kind, e.resource, e.ip, e.agent, e.request, e.details::jsonb
             FROM unnest($2::text[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::inet[], $8::text[], $9::text[],
                         $10::text[])
                  AS e (action, actor, subject, kind, resource, ip, agent, request, details)),
         announced AS (
             INSERT INTO outbox (created_at, message_id, lane, key, subject, payload, request_id, expires_at)
             SELECT $1, m.id, m.lane, m.key, m.subject, m.payload::jsonb, m.request, m.expires_at
             FROM unnest($11::uuid[], $12::smallint[], $13::bigint[], $14::text[], $15::text[], $16::text[],
                         $17::timestamptz[]) AS m (id, lane, key, subject, payload, request, expires_at)
             ON CONFLICT (message_id) DO NOTHING)
         SELECT pg_notify($18, '') WHERE $19::boolean",
        now,
        &actions as &[&str],
        &actors as &[Option<i64>],
        &subjects as &[Option<i64>],
        &kinds as &[Option<&str>],
        &resources as &[Option<&str>],
        &addresses as &[Option<IpNetwork>],
        &agents as &[Option<&str>],
        &requests as &[Option<&str>],
        &details,
        &ids,
        &lanes,
        &keys,
        &places as &[&str],
        &payloads as &[&str],
        &causes as &[Option<&str>],
        &ends as &[Option<DateTime<Utc>>],
        CHANNEL,
        !messages.is_empty() && bell.rings(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
