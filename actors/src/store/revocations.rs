//! Sessions that are ended before their time, and which of them must still be remembered.

use chrono::{DateTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;

use super::outbox::{CHANNEL, Message};
use super::{Db, Error, UnitOfWork};
use crate::domain::audit::Entry;
use crate::domain::principal::{SessionId, UserId};

/// The end of a session that must still be remembered.
#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    /// Whose session it was.
    pub user_id: UserId,
    /// The session.
    pub session_id: SessionId,
    /// Until when an access token of it may be in use.
    pub keep_until: DateTime<Utc>,
}

/// A session that was ended, and until when an access token of it may be in use.
pub type Ended = (SessionId, DateTime<Utc>);

impl UnitOfWork {
    /// Revokes a session of `user_id`. Returns `None` if it is not theirs or has ended already.
    pub async fn revoke_session(
        &mut self,
        user_id: UserId,
        session_id: SessionId,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Revocation>, Error> {
        let keep_until = sqlx::query_scalar!(
            "UPDATE sessions SET revoked_at = $3, revoked_reason = $4
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 RETURNING access_until",
            session_id.get(),
            user_id.get(),
            now,
            reason
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(keep_until.map(|keep_until| Revocation { user_id, session_id, keep_until }))
    }

    /// Revokes the live sessions of `user_id`, but for `except`. The user's row must be locked.
    pub async fn revoke_sessions(
        &mut self,
        user_id: UserId,
        except: Option<SessionId>,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Revocation>, Error> {
        let ended = sqlx::query!(
            "UPDATE sessions SET revoked_at = $3, revoked_reason = $4
             WHERE id IN (SELECT id FROM sessions
                          WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND revoked_at IS NULL AND expires_at > $3
                          ORDER BY id FOR NO KEY UPDATE)
             RETURNING id, access_until",
            user_id.get(),
            except.map(SessionId::get),
            now,
            reason
        )
        .map(|row| Revocation { user_id, session_id: row.id.into(), keep_until: row.access_until })
        .fetch_all(self.connection())
        .await?;
        Ok(ended)
    }

    /// Revokes the oldest live sessions of `user_id`, so that `keep` are left. The user's row must be locked.
    pub async fn revoke_oldest_sessions(
        &mut self,
        user_id: UserId,
        keep: u32,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<Vec<Revocation>, Error> {
        let ended = sqlx::query!(
            "UPDATE sessions SET revoked_at = $3, revoked_reason = $4
             WHERE id IN (SELECT s.id FROM sessions s
                          WHERE s.id IN (SELECT id FROM sessions
                                         WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $3
                                         ORDER BY created_at DESC, id DESC OFFSET $2)
                            AND s.revoked_at IS NULL
                          ORDER BY s.id FOR NO KEY UPDATE)
             RETURNING id, access_until",
            user_id.get(),
            i64::from(keep),
            now,
            reason
        )
        .map(|row| Revocation { user_id, session_id: row.id.into(), keep_until: row.access_until })
        .fetch_all(self.connection())
        .await?;
        Ok(ended)
    }

    /// Revokes up to `limit` sessions with which nothing was done for too long.
    pub async fn revoke_idle_sessions(&mut self, limit: i64, now: DateTime<Utc>) -> Result<Vec<Revocation>, Error> {
        let ended = sqlx::query!(
            "UPDATE sessions SET revoked_at = $1, revoked_reason = 'idle'
             WHERE id IN (SELECT id FROM sessions
                          WHERE revoked_at IS NULL AND idle_seconds IS NOT NULL AND expires_at > $1
                            AND last_activity <= $1 - make_interval(secs => idle_seconds)
                          ORDER BY last_activity LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED)
             RETURNING id, user_id, access_until",
            now,
            limit
        )
        .map(|row| Revocation { user_id: row.user_id.into(), session_id: row.id.into(), keep_until: row.access_until })
        .fetch_all(self.connection())
        .await?;
        Ok(ended)
    }
}

impl Db {
    /// Revokes a session of `user_id`, records `entry`, and puts `message` into the outbox, in one statement: it is what
    /// happens most often to a session after its use. Returns `None`, and does nothing, if it is not theirs or has ended.
    pub async fn end_session(
        &self,
        (user_id, session_id): (UserId, SessionId),
        reason: &str,
        (entry, message): (&Entry, &Message),
        now: DateTime<Utc>,
    ) -> Result<Option<Revocation>, Error> {
        let (kind, resource) = entry.resource.as_ref().map(|(kind, id)| (*kind, id.as_str())).unzip();
        let ended = sqlx::query!(
            r#"WITH ended AS (
                   UPDATE sessions SET revoked_at = $3, revoked_reason = $4
                   WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 RETURNING access_until),
               recorded AS (
                   INSERT INTO audit_log (created_at, action, actor_id, user_id, resource_type, resource_id, ip_address,
                                          user_agent, request_id, details)
                   SELECT $3, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::jsonb FROM ended),
               announced AS (
                   INSERT INTO outbox (created_at, message_id, lane, key, subject, payload, request_id, expires_at)
                   SELECT $3, $14, $15, $16, $17, $18::text::jsonb, $19, $20 FROM ended)
               SELECT access_until AS "access_until!", CASE WHEN $22 THEN pg_notify($21, '') END IS NULL AS woken FROM ended"#,
            session_id.get(),
            user_id.get(),
            now,
            reason,
            entry.action.as_str(),
            entry.actor.map(UserId::get),
            entry.subject.map(UserId::get),
            kind,
            resource,
            entry.ip.map(IpNetwork::from),
            entry.user_agent.as_deref(),
            entry.request_id.as_deref(),
            entry.details_json(),
            message.id,
            message.lane(),
            message.key,
            message.subject,
            message.payload,
            message.request_id.as_deref(),
            message.expires_at,
            CHANNEL,
            self.bell().rings(),
        );
        let ended = ended.fetch_optional(self).await;
        if !matches!(ended, Ok(Some(_))) {
            self.bell().was_for_nothing();
        }
        Ok(ended?.map(|row| Revocation { user_id, session_id, keep_until: row.access_until }))
    }

    /// The sessions that were ended since `since`, or ever, and may be outlived by an access token at `now`: until when. There
    /// may be many, so they come in one row, which is read in a fraction of the time and memory that a row each takes.
    pub async fn revocations(&self, since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<Vec<Ended>, Error> {
        let row = sqlx::query!(
            r#"SELECT coalesce(array_agg(id), '{}') AS "ids!", coalesce(array_agg(access_until), '{}') AS "until!"
               FROM sessions WHERE revoked_at >= $1 AND access_until > $2"#,
            since.unwrap_or(DateTime::UNIX_EPOCH),
            now
        )
        .fetch_one(self)
        .await?;
        Ok(row.ids.into_iter().map(SessionId::from).zip(row.until).collect())
    }
}
