//! Sessions: opened, refreshed, listed. How they end is in `revocations`.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;

use super::accounts::Account;
use super::users::{level, role};
use super::{Db, Error, UnitOfWork};
use crate::domain::audit::Entry;
use crate::domain::principal::{SessionId, UserId};
use crate::domain::role::{ProfileLevel, Role};

/// A session about to be opened.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its user.
    pub user_id: UserId,
    /// What its refresh tokens are made of.
    pub refresh_seed: [u8; 32],
    /// How the user got in.
    pub login_method: &'a str,
    /// Authentication methods (RFC 8176).
    pub amr: &'a [String],
    /// What the user would call the device.
    pub device: Option<&'a str>,
    /// The keyed hash by which the device is recognised.
    pub device_hash: [u8; 32],
    /// The client's user agent.
    pub user_agent: Option<&'a str>,
    /// The client's address.
    pub ip: IpAddr,
    /// The end that no refresh can move.
    pub expires_at: DateTime<Utc>,
    /// When its access token expires.
    pub access_until: DateTime<Utc>,
    /// After how long without a request it ends, where that is before `expires_at`.
    pub idle: Option<chrono::Duration>,
    /// Whether the user's role needs a password.
    pub is_staff: bool,
}

/// A session whose row is locked, about to be refreshed.
#[derive(Clone, Debug)]
pub struct Refreshable {
    /// Whose it is.
    pub user_id: UserId,
    /// What its refresh tokens are made of.
    pub refresh_seed: [u8; 32],
    /// The generation of the newest refresh token.
    pub generation: u32,
    /// How its user authenticated.
    pub amr: Vec<String>,
    /// When they last did.
    pub auth_time: DateTime<Utc>,
    /// The end that no refresh can move.
    pub expires_at: DateTime<Utc>,
    /// When it ends if nothing is done with it; `None` where nothing but `expires_at` ends it.
    pub idle_until: Option<DateTime<Utc>>,
    /// Whether it has ended.
    pub is_revoked: bool,
    /// Whether it was opened by somebody whose role needs a password.
    pub is_staff: bool,
}

/// What matters of the user of a session that is about to be refreshed.
#[derive(Clone, Copy, Debug)]
pub struct Holder {
    /// The user.
    pub id: UserId,
    /// Their role.
    pub role: Role,
    /// Whether they may sign in.
    pub is_active: bool,
    /// The epoch of their access tokens.
    pub token_epoch: i32,
    /// How much of their profile is there.
    pub profile_completion: ProfileLevel,
}

impl From<&Account> for Holder {
    fn from(account: &Account) -> Self {
        let Account { id, role, is_active, token_epoch, profile_completion, .. } = *account;
        Self { id, role, is_active, token_epoch, profile_completion }
    }
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The session.
    pub id: SessionId,
    /// What the user would call the device.
    pub device: Option<String>,
    /// The user agent.
    pub user_agent: Option<String>,
    /// The address it was opened from.
    pub ip: IpAddr,
    /// How the user got in.
    pub login_method: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to within a minute.
    pub last_activity: DateTime<Utc>,
    /// The end that no refresh can move.
    pub expires_at: DateTime<Utc>,
    /// When it was ended before that, and why.
    pub ended: Option<(DateTime<Utc>, String)>,
}

fn seed(bytes: &[u8]) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| Error::Inconsistent { table: "sessions", column: "refresh_seed" })
}

fn number(generation: i32) -> Result<u32, Error> {
    generation.try_into().map_err(|_| Error::Inconsistent { table: "sessions", column: "refresh_generation" })
}

impl UnitOfWork {
    /// Opens a session, notes the device, and counts the login unless it made the account. Answers whether it is the first
    /// time that the user signed in from this device, while they have used another. One statement, since every one costs a
    /// round trip.
    pub async fn open_session(
        &mut self,
        new: &NewSession<'_>,
        counts: bool,
        now: DateTime<Utc>,
    ) -> Result<(SessionId, bool), Error> {
        let row = sqlx::query!(
            r#"WITH counted AS (
                   UPDATE users SET last_login = $9, last_login_method = $3, login_count = login_count + 1
                   WHERE id = $1 AND $14),
               others AS (SELECT EXISTS (SELECT 1 FROM known_devices WHERE user_id = $1) AS exist),
               device AS (
                   INSERT INTO known_devices AS d (user_id, device_hash, label, first_seen, last_seen)
                   VALUES ($1, $6, $5, $9, $9)
                   ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen = $9, label = coalesce($5, d.label)
                   RETURNING d.xmax = 0 AS is_new),
               opened AS (
                   INSERT INTO sessions (user_id, refresh_seed, login_method, amr, device, device_hash, user_agent,
                                         ip_address, auth_time, created_at, last_activity, expires_at, access_until,
                                         idle_seconds, is_staff)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, $10, $11, $12, $13) RETURNING id)
               SELECT o.id AS "id!", (d.is_new AND s.exist) AS "is_new_device!" FROM opened o, device d, others s"#,
            new.user_id.get(),
            &new.refresh_seed,
            new.login_method,
            new.amr,
            new.device,
            &new.device_hash,
            new.user_agent,
            IpNetwork::from(new.ip) as IpNetwork,
            now,
            new.expires_at,
            new.access_until,
            new.idle.and_then(|idle| i32::try_from(idle.num_seconds()).ok()),
            new.is_staff,
            counts,
        )
        .fetch_one(self.connection())
        .await?;
        Ok((row.id.into(), row.is_new_device))
    }

    /// Locks a session to refresh it. Returns `None` if there is none.
    pub async fn lock_session(&mut self, id: SessionId) -> Result<Option<Refreshable>, Error> {
        let row = sqlx::query!(
            r#"SELECT user_id, refresh_seed, refresh_generation, amr, auth_time, expires_at,
                      last_activity + make_interval(secs => idle_seconds) AS idle_until,
                      (revoked_at IS NOT NULL) AS "is_revoked!", is_staff
               FROM sessions WHERE id = $1 FOR NO KEY UPDATE"#,
            id.get()
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Refreshable {
            user_id: row.user_id.into(),
            refresh_seed: seed(&row.refresh_seed)?,
            generation: number(row.refresh_generation)?,
            amr: row.amr,
            auth_time: row.auth_time,
            expires_at: row.expires_at,
            idle_until: row.idle_until,
            is_revoked: row.is_revoked,
            is_staff: row.is_staff,
        }))
    }

    /// Notes that refresh tokens up to `generation` exist, and until when an access token of the session may be in use.
    pub async fn advance_session(
        &mut self,
        id: SessionId,
        generation: u32,
        access_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE sessions SET refresh_generation = $2, access_until = greatest(access_until, $3),
                                 last_activity = greatest(last_activity, $4)
             WHERE id = $1",
            id.get(),
            i32::try_from(generation).unwrap_or(i32::MAX),
            access_until,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Gives a session another seed, so that every refresh token of it so far is worthless, and a fresh `auth_time`.
    pub async fn reseed_session(
        &mut self,
        id: SessionId,
        seed: &[u8; 32],
        access_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE sessions SET refresh_seed = $2, refresh_generation = 0, access_until = greatest(access_until, $3),
                                 auth_time = $4, last_activity = greatest(last_activity, $4)
             WHERE id = $1",
            id.get(),
            seed,
            access_until,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Notes that the user proved again who they are.
    pub async fn note_proof(&mut self, id: SessionId, now: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query!("UPDATE sessions SET auth_time = $2 WHERE id = $1 AND revoked_at IS NULL", id.get(), now)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl Db {
    /// The live sessions of a user, the one used last first.
    pub async fn live_sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<Vec<Listed>, Error> {
        let rows = sqlx::query!(
            "SELECT id, device, user_agent, ip_address, login_method, created_at, last_activity, expires_at
             FROM sessions
             WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
               AND (idle_seconds IS NULL OR last_activity > $2 - make_interval(secs => idle_seconds))
             ORDER BY last_activity DESC, id DESC LIMIT 200",
            user_id.get(),
            now
        )
        .map(|row| Listed {
            id: row.id.into(),
            device: row.device,
            user_agent: row.user_agent,
            ip: row.ip_address.ip(),
            login_method: row.login_method,
            created_at: row.created_at,
            last_activity: row.last_activity,
            expires_at: row.expires_at,
            ended: None,
        })
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// The ended sessions of a user, newest first: up to `limit` of those opened before `before`.
    pub async fn ended_sessions(
        &self,
        user_id: UserId,
        before: Option<SessionId>,
        limit: i64,
        now: DateTime<Utc>,
    ) -> Result<Vec<Listed>, Error> {
        let rows = sqlx::query!(
            r#"SELECT id, device, user_agent, ip_address, login_method, created_at, last_activity, expires_at,
                      coalesce(revoked_at, expires_at) AS "ended_at!", coalesce(revoked_reason, 'expired') AS "reason!"
               FROM sessions
               WHERE user_id = $1 AND id < $2 AND (revoked_at IS NOT NULL OR expires_at <= $4)
               ORDER BY id DESC LIMIT $3"#,
            user_id.get(),
            before.map_or(i64::MAX, SessionId::get),
            limit,
            now
        )
        .map(|row| Listed {
            id: row.id.into(),
            device: row.device,
            user_agent: row.user_agent,
            ip: row.ip_address.ip(),
            login_method: row.login_method,
            created_at: row.created_at,
            last_activity: row.last_activity,
            expires_at: row.expires_at,
            ended: Some((row.ended_at, row.reason)),
        })
        .fetch_all(self.pool())
        .await?;
        Ok(rows)
    }

    /// A session and its user, whether or not it has ended. Nothing is locked. Returns `None` if there is none.
    pub async fn refreshable(&self, id: SessionId) -> Result<Option<(Refreshable, Holder)>, Error> {
        let row = sqlx::query!(
            r#"SELECT s.user_id, s.refresh_seed, s.refresh_generation, s.amr, s.auth_time, s.expires_at,
                      s.last_activity + make_interval(secs => s.idle_seconds) AS idle_until,
                      (s.revoked_at IS NOT NULL) AS "is_revoked!", s.is_staff,
                      u.role, u.is_active, u.token_epoch, u.profile_completion
               FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1"#,
            id.get()
        );
        let Some(row) = row.fetch_optional(self.pool()).await? else { return Ok(None) };
        let session = Refreshable {
            user_id: row.user_id.into(),
            refresh_seed: seed(&row.refresh_seed)?,
            generation: number(row.refresh_generation)?,
            amr: row.amr,
            auth_time: row.auth_time,
            expires_at: row.expires_at,
            idle_until: row.idle_until,
            is_revoked: row.is_revoked,
            is_staff: row.is_staff,
        };
        let holder = Holder {
            id: session.user_id,
            role: role(&row.role)?,
            is_active: row.is_active,
            token_epoch: row.token_epoch,
            profile_completion: level(&row.profile_completion)?,
        };
        Ok(Some((session, holder)))
    }

    /// Begins the next generation of a session's refresh tokens and records it, in one statement. Answers `false`, and does
    /// nothing, if the session or its user is not as `seen` any more.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        seen: (&Refreshable, &Holder),
        access_until: DateTime<Utc>,
        entry: &Entry,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let (session, holder) = seen;
        let (kind, resource) = entry.resource.as_ref().map(|(kind, id)| (*kind, id.as_str())).unzip();
        let rotate = sqlx::query!(
            "WITH rotated AS (
                 UPDATE sessions s SET refresh_generation = s.refresh_generation + 1,
                                       access_until = greatest(s.access_until, $5),
                                       last_activity = greatest(s.last_activity, $6)
                 FROM users u
                 WHERE s.id = $1 AND s.refresh_generation = $2 AND s.refresh_seed = $3 AND s.revoked_at IS NULL
                   AND u.id = s.user_id AND u.is_active AND u.token_epoch = $4
                 RETURNING s.id)
             INSERT INTO audit_log (created_at, action, actor_id, user_id, resource_type, resource_id, ip_address,
                                    user_agent, request_id, details)
             SELECT $6, $7, $8, $9, $10, $11, $12, $13, $14, $15 FROM rotated",
            id.get(),
            i32::try_from(session.generation).unwrap_or(i32::MAX),
            &session.refresh_seed,
            holder.token_epoch,
            access_until,
            now,
            entry.action.as_str(),
            entry.actor.map(UserId::get),
            entry.subject.map(UserId::get),
            kind,
            resource,
            entry.ip.map(IpNetwork::from),
            entry.user_agent.as_deref(),
            entry.request_id.as_deref(),
            serde_json::Value::Object(entry.details.clone()),
        );
        Ok(rotate.execute(self.pool()).await?.rows_affected() == 1)
    }

    /// When the user of a live session last proved who they are. Returns `None` if the session has ended.
    pub async fn auth_time(&self, id: SessionId) -> Result<Option<DateTime<Utc>>, Error> {
        let time = sqlx::query_scalar!("SELECT auth_time FROM sessions WHERE id = $1 AND revoked_at IS NULL", id.get());
        Ok(time.fetch_optional(self.pool()).await?)
    }

    /// Notes when sessions were last used, in one statement; `sessions` must be in order. What was idle for too long stays so;
    /// what another transaction holds, or was noted within the last half minute, is passed over.
    pub async fn note_activity(&self, sessions: &[i64], times: &[DateTime<Utc>]) -> Result<u64, Error> {
        let done = sqlx::query!(
            "UPDATE sessions s SET last_activity = u.at
             FROM (SELECT l.id, u.at
                   FROM unnest($1::bigint[], $2::timestamptz[]) AS u (id, at) JOIN sessions l ON l.id = u.id
                   WHERE l.last_activity < u.at - interval '30 s' AND l.revoked_at IS NULL
                     AND (l.idle_seconds IS NULL OR u.at < l.last_activity + make_interval(secs => l.idle_seconds))
                   ORDER BY l.id FOR NO KEY UPDATE OF l SKIP LOCKED) u
             WHERE s.id = u.id",
            sessions,
            times
        )
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }

    /// Removes up to `limit` sessions that expired before `before`. Answers how many.
    pub async fn clean_sessions(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let done = sqlx::query!(
            "DELETE FROM sessions WHERE id IN
                 (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            before,
            limit
        )
        .execute(self.pool())
        .await?;
        Ok(done.rows_affected())
    }
}
