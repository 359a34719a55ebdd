//! What opening, refreshing and ending sessions have in common, and recognising them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Error;
use super::activity::Activity;
use super::broadcasts::Outgoing;
use super::keys::KeyRing;
use super::messages::{Ended, Opened};
use super::revocations::Revocations;
use crate::audit;
use crate::domain::clock::Clock;
use crate::domain::entropy::{self, Entropy};
use crate::domain::keys::HashKey;
use crate::domain::limit::Rate;
use crate::domain::principal::{Principal, SessionId, UserId};
use crate::domain::recent_proof::{self, Act};
use crate::domain::refresh;
use crate::domain::role::{ProfileLevel, Role};
use crate::domain::second_step::{Change, Rules, amr_after, in_force};
use crate::domain::token::Tokens;
use crate::events::Events;
use crate::notifications::notices::Notices;
use crate::store::accounts::Account;
use crate::store::sessions::Listed;
use crate::store::{Db, UnitOfWork};

/// The lengths and numbers of sessions.
#[derive(Clone, Debug)]
pub struct Config {
    /// The life of a session of a citizen, contributor or moderator.
    pub session_life: chrono::Duration,
    /// The life of a session of an officer, administrator or auditor.
    pub officer_session_life: chrono::Duration,
    /// After how long without a request a session of a citizen, contributor or moderator ends.
    pub idle: chrono::Duration,
    /// After how long without a request a session of an officer, administrator or auditor ends.
    pub officer_idle: chrono::Duration,
    /// How many live sessions a user may have, by role.
    pub max_live: HashMap<Role, u32>,
    /// For how long a proof is recent enough for a sensitive act.
    pub step_up: chrono::Duration,
    /// Which acts are sensitive.
    pub sensitive_acts: recent_proof::Policy,
    /// How long a session stays in the history after its end.
    pub history: chrono::Duration,
    /// Who needs a second factor.
    pub second_factor: Rules,
    /// How often a session is refreshed.
    pub refreshes: Rate,
}

impl Config {
    fn life(&self, role: Role) -> chrono::Duration {
        if role.needs_password() { self.officer_session_life } else { self.session_life }
    }

    /// `None` where a session lives no longer anyway.
    fn idle(&self, role: Role) -> Option<chrono::Duration> {
        let idle = if role.needs_password() { self.officer_idle } else { self.idle };
        (idle < self.life(role)).then_some(idle)
    }
}

/// What the service works with.
#[derive(Debug)]
pub struct Parts {
    /// The lengths and numbers of sessions.
    pub config: Config,
    /// PostgreSQL, for requests.
    pub db: Db,
    /// PostgreSQL, for what nobody waits for.
    pub background_db: Db,
    /// PostgreSQL, for the revocation view alone: nothing else may hold it up.
    pub view_db: Db,
    /// Records refusals.
    pub audit: audit::Handle,
    /// NATS, for the broadcast of revocations.
    pub nats: async_nats::Client,
    /// Makes events.
    pub events: Events,
    /// Makes messages to those concerned.
    pub notices: Notices,
    /// Signs and verifies access tokens.
    pub tokens: Arc<Tokens>,
    /// Keeps the keys of the tokens.
    pub keys: Arc<KeyRing>,
    /// Keys refresh tokens and recognises devices.
    pub hash_key: HashKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The service of sessions.
#[derive(Debug)]
pub struct Service {
    pub(super) parts: Parts,
    pub(super) revocations: Revocations,
    pub(super) activity: Activity,
    pub(super) outgoing: Outgoing,
}

/// What the tokens of a session are made of.
pub(super) struct Facts {
    pub(super) user_id: UserId,
    pub(super) role: Role,
    pub(super) session_id: SessionId,
    pub(super) amr: Vec<String>,
    pub(super) auth_time: DateTime<Utc>,
    pub(super) token_epoch: i32,
    pub(super) seed: [u8; 32],
    pub(super) generation: u32,
    pub(super) access_until: DateTime<Utc>,
    pub(super) expires_at: DateTime<Utc>,
    pub(super) profile_completion: ProfileLevel,
    pub(super) is_new_user: bool,
    pub(super) password_temporary: bool,
}

impl Service {
    /// A service of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            revocations: Revocations::default(),
            activity: Activity::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// Says who holds this token, and notes that the session is used.
    pub(super) fn authenticate(&self, bearer: &str) -> Result<Principal, Error> {
        let now = self.parts.clock.now();
        let principal = self.parts.tokens.verify(bearer, now)?;
        match self.revocations.refuses(&principal) {
            Some(false) => {
                self.activity.note(principal.session_id, now);
                Ok(principal)
            }
            Some(true) => Err(Error::Unauthenticated),
            None => Err(Error::NotReady),
        }
    }

    pub(super) fn has_ended(&self, session: SessionId) -> bool {
        self.revocations.has_ended(session)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.revocations.is_loaded()
    }

    pub(super) fn keys(&self) -> &Arc<KeyRing> {
        &self.parts.keys
    }

    /// Refuses who proved themselves too long ago for `act`: with the second factor, where one is in force. The session's row is
    /// asked, since the token may be older than the last proof and does not say of what it was.
    pub(super) async fn require_recent(&self, principal: &Principal, act: Act) -> Result<(), Error> {
        let config = &self.parts.config;
        if !act.needs_proof(config.sensitive_acts) {
            return Ok(());
        }
        let since = self.parts.clock.now() - config.step_up;
        let standing = self.parts.db.standing(principal.session_id).await?.ok_or(Error::Unauthenticated)?;
        let factor = in_force(&config.second_factor, standing.account);
        let recent = standing.proofs.are_recent(factor.is_some(), since);
        if recent { Ok(()) } else { Err(Error::StepUpRequired { factor }) }
    }

    /// The live sessions of a user.
    pub(super) async fn live(&self, user_id: UserId) -> Result<Vec<Listed>, Error> {
        Ok(self.parts.db.live_sessions(user_id, self.parts.clock.now()).await?)
    }

    /// The ended ones.
    pub(super) async fn ended(
        &self,
        user_id: UserId,
        before: Option<SessionId>,
        limit: i64,
    ) -> Result<Vec<Listed>, Error> {
        Ok(self.parts.db.ended_sessions(user_id, before, limit, self.parts.clock.now()).await?)
    }

    /// Until when an access token of `role` made now may live: never past the end of its session.
    pub(super) fn access_until(&self, role: Role, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        (now + self.parts.tokens.life(role)).min(expires_at)
    }

    /// Makes the tokens of a session.
    pub(super) fn tokens_of(&self, facts: &Facts, now: DateTime<Utc>) -> Result<Opened, Error> {
        let Parts { tokens, hash_key, entropy, .. } = &self.parts;
        let principal = Principal {
            user_id: facts.user_id,
            role: facts.role,
            session_id: facts.session_id,
            amr: facts.amr.clone(),
            auth_time: facts.auth_time,
            token_epoch: facts.token_epoch,
            expires_at: facts.access_until,
        };
        let jti = entropy::uuid_v7(now, &**entropy)?.simple().to_string();
        Ok(Opened {
            access_token: tokens.sign(&principal, jti, now)?,
            expires_in: whole(facts.access_until - now),
            refresh_token: refresh::issue(hash_key, &facts.seed, facts.session_id, facts.generation),
            session_expires_in: whole(facts.expires_at - now),
            user_id: facts.user_id,
            role: facts.role,
            session_id: facts.session_id,
            profile_completion: facts.profile_completion,
            is_new_user: facts.is_new_user,
            password_temporary: facts.password_temporary,
            password_set: None,
        })
    }

    /// Goes on with a session of `account`, in the transaction of a change that began another token epoch: older access tokens of
    /// it are worthless. Answers new ones. The refresh token that it has stays good until the one answered, its successor, was
    /// used: a client that passes over the answer goes on.
    pub(crate) async fn renew_in(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        token_epoch: i32,
        (session_id, change): (SessionId, Change),
        now: DateTime<Utc>,
    ) -> Result<Opened, Error> {
        let session = work.lock_session(session_id).await?.ok_or(Error::Unauthenticated)?;
        let other = session.user_id != account.id || session.is_staff != account.role.needs_password();
        if other || session.is_revoked || session.expires_at <= now {
            return Err(Error::Unauthenticated);
        }
        let access_until = self.access_until(account.role, session.expires_at, now);
        let amr = amr_after(change, &session.amr);
        work.renew_session(session_id, change, &amr, access_until, now).await?;
        let facts = Facts {
            user_id: account.id,
            role: account.role,
            session_id,
            amr,
            auth_time: now,
            token_epoch,
            seed: session.refresh_seed,
            generation: session.generation.saturating_add(1),
            access_until,
            expires_at: session.expires_at,
            profile_completion: account.profile_completion,
            is_new_user: false,
            password_temporary: account.password_temporary_until.is_some(),
        };
        self.tokens_of(&facts, now)
    }

    /// Notes, in a transaction, that the user of a session proved again who they are; with the second factor or without.
    pub(crate) async fn note_proof_in(
        &self,
        work: &mut UnitOfWork,
        session_id: SessionId,
        by_factor: bool,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        Ok(work.note_proof(session_id, by_factor, now).await?)
    }

    /// Begins another token epoch of a user in a transaction.
    pub(crate) async fn begin_epoch_in(
        &self,
        work: &mut UnitOfWork,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Result<(i32, Ended), Error> {
        let tokens_until = now + self.parts.tokens.longest_life();
        let epoch = work.begin_token_epoch(user_id, tokens_until, now).await?;
        Ok((epoch, Ended { sessions: Vec::new(), epoch: Some((user_id, epoch)) }))
    }

    /// The life and the idle time of a session of `role`.
    pub(super) fn terms(&self, role: Role) -> (chrono::Duration, Option<chrono::Duration>) {
        (self.parts.config.life(role), self.parts.config.idle(role))
    }
}

/// As a duration of the standard library; what is negative is nothing.
fn whole(length: chrono::Duration) -> Duration {
    length.to_std().unwrap_or_default()
}
