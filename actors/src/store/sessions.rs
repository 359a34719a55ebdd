//! Sessions: opened, read, revoked.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;

use super::{Db, Error, UnitOfWork};
use crate::domain::principal::{SessionId, UserId};

/// A session about to be opened.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its user.
    pub user_id: UserId,
    /// The keyed hash of its refresh token.
    pub refresh_token_hash: [u8; 32],
    /// How the user got in.
    pub login_method: &'a str,
    /// Authentication methods (RFC 8176).
    pub amr: &'a [String],
    /// What the user would call the device.
    pub device: Option<&'a str>,
    /// The client's user agent.
    pub user_agent: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// The end that no refresh can move.
    pub expires_at: DateTime<Utc>,
    /// When its access token expires.
    pub access_until: DateTime<Utc>,
}

/// A revocation that must still be remembered.
#[derive(Clone, Copy, Debug)]
pub struct Revocation {
    /// The session.
    pub session_id: SessionId,
    /// When it was revoked.
    pub revoked_at: DateTime<Utc>,
    /// Until when an access token of it may be in use.
    pub keep_until: DateTime<Utc>,
}

impl UnitOfWork {
    /// Inserts a session.
    pub async fn insert_session(&mut self, new: &NewSession<'_>, now: DateTime<Utc>) -> Result<SessionId, Error> {
        let id = sqlx::query_scalar!(
            "INSERT INTO sessions (user_id, refresh_token_hash, login_method, amr, device, user_agent, ip_address,
                                   auth_time, created_at, last_activity, expires_at, access_until)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8, $9, $10) RETURNING id",
            new.user_id.get(),
            &new.refresh_token_hash,
            new.login_method,
            new.amr,
            new.device,
            new.user_agent,
            IpNetwork::from(new.ip) as IpNetwork,
            now,
            new.expires_at,
            new.access_until,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(id.into())
    }

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
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL RETURNING access_until",
            session_id.get(),
            user_id.get(),
            now,
            reason
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(keep_until.map(|keep_until| Revocation { session_id, revoked_at: now, keep_until }))
    }
}

impl Db {
    /// The revocations since `since` that still matter at `now`.
    pub async fn revocations_since(&self, since: DateTime<Utc>, now: DateTime<Utc>) -> Result<Vec<Revocation>, Error> {
        let rows = sqlx::query!(
            r#"SELECT id, revoked_at AS "revoked_at!", access_until FROM sessions
               WHERE revoked_at >= $1 AND access_until > $2"#,
            since,
            now
        )
        .map(|row| Revocation { session_id: row.id.into(), revoked_at: row.revoked_at, keep_until: row.access_until })
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }
}
