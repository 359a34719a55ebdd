//! Sessions as refreshing sees them: read, locked, begun another generation of.

use chrono::{DateTime, Utc};
use sqlx::types::ipnetwork::IpNetwork;
use uuid::Uuid;

use super::accounts::Account;
use super::users::{level, role};
use super::{Db, Error, UnitOfWork};
use crate::domain::audit::Entry;
use crate::domain::principal::{SessionId, UserId};
use crate::domain::refresh::Refreshes;
use crate::domain::role::{ProfileLevel, Role};

/// A session about to be refreshed.
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
    /// Until when an access token of it may be in use.
    pub access_until: DateTime<Utc>,
    /// Whether it has ended.
    pub is_revoked: bool,
    /// Whether it was opened by somebody whose role needs a password.
    pub is_staff: bool,
    /// How often it was refreshed of late.
    pub refreshes: Refreshes,
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
    /// Whether somebody else chose their password.
    pub password_temporary: bool,
}

impl From<&Account> for Holder {
    fn from(account: &Account) -> Self {
        let Account { id, role, is_active, token_epoch, profile_completion, .. } = *account;
        let password_temporary = account.password_temporary_until.is_some();
        Self { id, role, is_active, token_epoch, profile_completion, password_temporary }
    }
}

fn seed(bytes: &[u8]) -> Result<[u8; 32], Error> {
    bytes.try_into().map_err(|_| Error::Inconsistent { table: "sessions", column: "refresh_seed" })
}

fn refreshes(count: i32, since: Option<DateTime<Utc>>) -> Refreshes {
    Refreshes { count: count.try_into().unwrap_or_default(), since }
}

fn number(generation: i32) -> Result<u32, Error> {
    generation.try_into().map_err(|_| Error::Inconsistent { table: "sessions", column: "refresh_generation" })
}

impl UnitOfWork {
    /// Locks a session to refresh it. Returns `None` if there is none.
    pub async fn lock_session(&mut self, id: SessionId) -> Result<Option<Refreshable>, Error> {
        let row = sqlx::query!(
            r#"SELECT user_id, refresh_seed, refresh_generation, amr, auth_time, expires_at, access_until,
                      last_activity + make_interval(secs => idle_seconds) AS idle_until,
                      (revoked_at IS NOT NULL) AS "is_revoked!", is_staff, refreshes, refreshes_since
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
            access_until: row.access_until,
            is_revoked: row.is_revoked,
            is_staff: row.is_staff,
            refreshes: refreshes(row.refreshes, row.refreshes_since),
        }))
    }

    /// Notes that refresh tokens up to `generation` exist, and until when an access token of the session may be in use.
    pub async fn advance_session(
        &mut self,
        id: SessionId,
        (generation, refreshes): (u32, Refreshes),
        access_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE sessions SET refresh_generation = $2, access_until = greatest(access_until, $3),
                                 last_activity = greatest(last_activity, $4), refreshes = $5, refreshes_since = $6
             WHERE id = $1",
            id.get(),
            i32::try_from(generation).unwrap_or(i32::MAX),
            access_until,
            now,
            i32::try_from(refreshes.count).unwrap_or(i32::MAX),
            refreshes.since
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// A session that somebody may be answered again.
#[derive(Debug)]
pub struct Repeatable {
    /// The session.
    pub session_id: SessionId,
    /// What goes on with it.
    pub session: Refreshable,
    /// Its user.
    pub holder: Holder,
    /// By which hash its device is known.
    pub device_hash: Option<Vec<u8>>,
    /// Whether it looks as if nobody ever got its tokens: none was exchanged, and its user proved nothing since.
    pub is_untouched: bool,
    /// Whether the account was made with it.
    pub made_account: bool,
    /// Whether the account has a password.
    pub has_password: bool,
}

impl UnitOfWork {
    /// The session that was opened with a proof, its row locked until the end. Returns `None` if there is none.
    pub async fn lock_session_of_proof(&mut self, proof_id: Uuid) -> Result<Option<Repeatable>, Error> {
        let row = sqlx::query!(
            r#"SELECT s.id, s.user_id, s.refresh_seed, s.refresh_generation, s.amr, s.auth_time, s.expires_at, s.access_until,
                      s.last_activity + make_interval(secs => s.idle_seconds) AS idle_until,
                      (s.revoked_at IS NOT NULL) AS "is_revoked!", s.is_staff, s.device_hash,
                      (s.refresh_generation = 0 AND s.auth_time = s.created_at) AS "is_untouched!",
                      (u.created_at = s.created_at) AS "made_account!",
                      (u.password_hash IS NOT NULL) AS "has_password!",
                      u.role, u.is_active, u.token_epoch, u.profile_completion,
                      (u.password_temporary_until IS NOT NULL) AS "password_temporary!"
               FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.proof_id = $1 FOR NO KEY UPDATE OF s"#,
            proof_id
        );
        let Some(row) = row.fetch_optional(self.connection()).await? else { return Ok(None) };
        let session = Refreshable {
            user_id: row.user_id.into(),
            refresh_seed: seed(&row.refresh_seed)?,
            generation: number(row.refresh_generation)?,
            amr: row.amr,
            auth_time: row.auth_time,
            expires_at: row.expires_at,
            idle_until: row.idle_until,
            access_until: row.access_until,
            // Nobody refreshed it yet who may be answered again.
            refreshes: Refreshes::default(),
            is_revoked: row.is_revoked,
            is_staff: row.is_staff,
        };
        let holder = Holder {
            id: session.user_id,
            role: role(&row.role)?,
            is_active: row.is_active,
            token_epoch: row.token_epoch,
            profile_completion: level(&row.profile_completion)?,
            password_temporary: row.password_temporary,
        };
        Ok(Some(Repeatable {
            session_id: row.id.into(),
            session,
            holder,
            device_hash: row.device_hash,
            is_untouched: row.is_untouched,
            made_account: row.made_account,
            has_password: row.has_password,
        }))
    }

    /// Gives a session another device: the one whose token went out with an answer that nobody got does not exist.
    pub async fn move_session(
        &mut self,
        (user_id, session_id): (UserId, SessionId),
        from: &[u8],
        to: &[u8; 32],
    ) -> Result<(), Error> {
        sqlx::query!("UPDATE sessions SET device_hash = $2 WHERE id = $1", session_id.get(), to)
            .execute(self.connection())
            .await?;
        sqlx::query!(
            "UPDATE known_devices SET device_hash = $3 WHERE user_id = $1 AND device_hash = $2
               AND NOT EXISTS (SELECT 1 FROM known_devices WHERE user_id = $1 AND device_hash = $3)",
            user_id.get(),
            from,
            to
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Db {
    /// A session and its user, whether or not it has ended. Nothing is locked. Returns `None` if there is none.
    pub async fn refreshable(&self, id: SessionId) -> Result<Option<(Refreshable, Holder)>, Error> {
        let row = sqlx::query!(
            r#"SELECT s.user_id, s.refresh_seed, s.refresh_generation, s.amr, s.auth_time, s.expires_at, s.access_until,
                      s.last_activity + make_interval(secs => s.idle_seconds) AS idle_until,
                      (s.revoked_at IS NOT NULL) AS "is_revoked!", s.is_staff, s.refreshes, s.refreshes_since,
                      u.role, u.is_active, u.token_epoch, u.profile_completion,
                      (u.password_temporary_until IS NOT NULL) AS "password_temporary!"
               FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1"#,
            id.get()
        );
        let Some(row) = row.fetch_optional(self).await? else { return Ok(None) };
        let session = Refreshable {
            user_id: row.user_id.into(),
            refresh_seed: seed(&row.refresh_seed)?,
            generation: number(row.refresh_generation)?,
            amr: row.amr,
            auth_time: row.auth_time,
            expires_at: row.expires_at,
            idle_until: row.idle_until,
            access_until: row.access_until,
            is_revoked: row.is_revoked,
            is_staff: row.is_staff,
            refreshes: refreshes(row.refreshes, row.refreshes_since),
        };
        let holder = Holder {
            id: session.user_id,
            role: role(&row.role)?,
            is_active: row.is_active,
            token_epoch: row.token_epoch,
            profile_completion: level(&row.profile_completion)?,
            password_temporary: row.password_temporary,
        };
        Ok(Some((session, holder)))
    }

    /// Begins the next generation of a session's refresh tokens and records it, in one statement. Answers `false`, and does
    /// nothing, if the session or its user is not as `seen` any more.
    pub async fn rotate_session(
        &self,
        id: SessionId,
        seen: (&Refreshable, &Holder),
        refreshes: Refreshes,
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
                                       last_activity = greatest(s.last_activity, $6),
                                       refreshes = $16, refreshes_since = $17
                 FROM users u
                 WHERE s.id = $1 AND s.refresh_generation = $2 AND s.refresh_seed = $3 AND s.revoked_at IS NULL
                   AND u.id = s.user_id AND u.is_active AND u.token_epoch = $4
                 RETURNING s.id)
             INSERT INTO audit_log (created_at, action, actor_id, user_id, resource_type, resource_id, ip_address,
                                    user_agent, request_id, details)
             SELECT $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::text::jsonb FROM rotated",
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
            entry.details_json(),
            i32::try_from(refreshes.count).unwrap_or(i32::MAX),
            refreshes.since,
        );
        Ok(rotate.execute(self).await?.rows_affected() == 1)
    }
}
