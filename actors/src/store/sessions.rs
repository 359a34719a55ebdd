//! Sessions: opened and listed. How they go on is in `refresh`, how they end in `revocations`.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;
use uuid::Uuid;

use super::users::role;
use super::{Db, Error, UnitOfWork};
use crate::domain::principal::{SessionId, UserId};
use crate::domain::recent_proof::Proofs;
use crate::domain::second_step::{self, Change, Method};

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
    /// The keyed hash of the token that was issued to the device.
    pub device_hash: [u8; 32],
    /// The keyed hash of what kind of device it claims to be.
    pub kind_hash: [u8; 32],
    /// Whether the client sent that token.
    pub returned: bool,
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
    /// What it is opened with, where that is good for one session.
    pub proof_id: Option<Uuid>,
    /// Whether the second factor was shown.
    pub shows_factor: bool,
}

/// What the question of a recent proof looks at.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// What the session proved, and when.
    pub proofs: Proofs,
    /// Its user, as the rule of the second step sees them.
    pub account: second_step::Account,
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

impl UnitOfWork {
    /// Opens a session, notes the device, and counts the login unless it made the account. Answers whether it is the first
    /// time that the user signed in from this device, while they have used another. A client that sends its token back is
    /// recognised by it; any other is new if its kind is, and its kind stands for nothing any more once the token that was
    /// issued to it came back. Of the devices of one user twenty are remembered besides this one, those that send their tokens
    /// back before others. Fails with [`Error::Refused`] where a session was opened with the same proof. One statement, since
    /// every one costs a round trip.
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
               before AS (SELECT device_hash, returned, replaced, last_seen FROM known_devices WHERE user_id = $1),
               noted AS (
                   INSERT INTO known_devices AS d (user_id, device_hash, label, first_seen, last_seen, returned)
                   SELECT DISTINCT $1, hash, $5, $9, $9, $15::bool
                   FROM unnest(CASE WHEN $15 THEN ARRAY[$6::bytea] ELSE ARRAY[$6::bytea, $16::bytea] END) AS hash
                   ON CONFLICT (user_id, device_hash)
                   DO UPDATE SET last_seen = $9, label = coalesce($5, d.label), returned = d.returned OR $15,
                                 replaced = false),
               kind AS (
                   UPDATE known_devices SET replaced = true
                   WHERE user_id = $1 AND device_hash = $16 AND device_hash <> $6 AND $15
                     AND EXISTS (SELECT 1 FROM before WHERE device_hash = $6 AND NOT returned)),
               forgotten AS (
                   DELETE FROM known_devices
                   WHERE user_id = $1 AND device_hash NOT IN ($6, $16) AND device_hash IN
                       (SELECT device_hash FROM before ORDER BY returned DESC, last_seen DESC OFFSET 20)),
               opened AS (
                   INSERT INTO sessions (user_id, refresh_seed, login_method, amr, device, device_hash, user_agent,
                                         ip_address, auth_time, created_at, last_activity, expires_at, access_until,
                                         idle_seconds, is_staff, proof_id, factor_time)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $9, $10, $11, $12, $13, $17,
                           CASE WHEN $18 THEN $9 END) RETURNING id)
               SELECT o.id AS "id!",
                      (EXISTS (SELECT 1 FROM before) AND NOT EXISTS
                          (SELECT 1 FROM before WHERE device_hash = CASE WHEN $15 THEN $6 ELSE $16 END AND NOT replaced))
                      AS "is_new_device!"
               FROM opened o"#,
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
            new.returned,
            &new.kind_hash,
            new.proof_id,
            new.shows_factor,
        )
        .fetch_one(self.connection())
        .await?;
        Ok((row.id.into(), row.is_new_device))
    }

    /// Notes that the user proved again who they are; with the second factor or without.
    pub async fn note_proof(&mut self, id: SessionId, by_factor: bool, now: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE sessions SET auth_time = $2, factor_time = CASE WHEN $3 THEN $2 ELSE factor_time END
             WHERE id = $1 AND revoked_at IS NULL",
            id.get(),
            now,
            by_factor
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Goes on with a session after a change of what it rests on, which was proven in this moment.
    pub async fn renew_session(
        &mut self,
        id: SessionId,
        change: Change,
        amr: &[String],
        access_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let shows_factor = match change {
            Change::Password => None,
            Change::FactorSetUp(_) => Some(true),
            Change::FactorGone => Some(false),
        };
        sqlx::query!(
            "UPDATE sessions SET amr = $2, auth_time = $3, access_until = greatest(access_until, $4),
                                 last_activity = greatest(last_activity, $3),
                                 factor_time = CASE WHEN $5::boolean IS NULL THEN factor_time WHEN $5 THEN $3 END
             WHERE id = $1",
            id.get(),
            amr,
            now,
            access_until,
            shows_factor
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// When a session was opened. Returns `None` if there is none that is live.
    pub async fn opened_at(&mut self, id: SessionId) -> Result<Option<DateTime<Utc>>, Error> {
        let time =
            sqlx::query_scalar!("SELECT created_at FROM sessions WHERE id = $1 AND revoked_at IS NULL", id.get());
        Ok(time.fetch_optional(self.connection()).await?)
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
        .fetch_all(self)
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
        .fetch_all(self)
        .await?;
        Ok(rows)
    }

    /// What a live session has proven, and whose it is. Returns `None` if it has ended.
    pub async fn standing(&self, id: SessionId) -> Result<Option<Standing>, Error> {
        let row = sqlx::query!(
            r#"SELECT s.auth_time, s.factor_time, u.role, (u.password_hash IS NOT NULL) AS "has_password!",
                      f.method AS "method?"
               FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN two_factors f ON f.user_id = s.user_id
               WHERE s.id = $1 AND s.revoked_at IS NULL"#,
            id.get()
        );
        let Some(row) = row.fetch_optional(self).await? else { return Ok(None) };
        let unknown = Error::Inconsistent { table: "two_factors", column: "method" };
        let account = second_step::Account {
            role: role(&row.role)?,
            has_password: row.has_password,
            two_factor: row.method.map(|name| Method::parse(&name).ok_or(unknown)).transpose()?,
        };
        Ok(Some(Standing { proofs: Proofs { any: row.auth_time, factor: row.factor_time }, account }))
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
        .execute(self)
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
        .execute(self)
        .await?;
        Ok(done.rows_affected())
    }
}
