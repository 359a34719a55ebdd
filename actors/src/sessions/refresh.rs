//! Refreshing a session: each refresh token gives a successor, the same one until that is used.
//!
//! PostgreSQL decides, under a lock of the session's row. Redis answers those who use the last token again, which some
//! clients do every time; what it answers can only be a token that PostgreSQL gave out, in an epoch that is refused if
//! it is over. Losing Redis loses nothing.

use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::events::security;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::Error;
use super::messages::{Opened, RefreshSession, Which};
use super::service::{Facts, Service};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::principal::{Principal, SessionId, UserId};
use crate::domain::refresh::{Presented, Verdict, judge};
use crate::domain::role::{ProfileLevel, Role};
use crate::domain::second_step::suffices;
use crate::store::UnitOfWork;
use crate::store::refresh::{Holder, Refreshable};

/// How long Redis answers for a session, in milliseconds. PostgreSQL can at any time; short, so that what Redis missed to
/// forget is soon gone.
const REMEMBERED_MS: u64 = 60_000;
/// How long a request waits for Redis to forget.
const FORGET: Duration = Duration::from_millis(250);

/// What Redis knows of a session's refresh token.
#[derive(Serialize, Deserialize)]
struct Remembered {
    user_id: UserId,
    role: Role,
    amr: Vec<String>,
    auth_time: DateTime<Utc>,
    token_epoch: i32,
    seed: String,
    generation: u32,
    access_until: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    profile_completion: ProfileLevel,
}

impl Service {
    /// Exchanges a refresh token.
    pub(super) async fn refresh(&self, request: RefreshSession) -> Result<Opened, Error> {
        let RefreshSession { token, client } = request;
        let remembered = self.remembered(&token).await;
        if let Some(opened) = remembered.as_ref().and_then(|known| self.repeat_from_memory(&token, known)) {
            return Ok(opened);
        }
        let now = self.parts.clock.now();
        let session_id = token.session_id();
        // Judged before anything is locked: a stranger who guesses numbers must not hold up whose they are.
        let Some((session, holder)) = self.parts.db.refreshable(session_id).await? else {
            return Err(Error::RefreshTokenInvalid);
        };
        if !token.is_authentic(&self.parts.hash_key, &session.refresh_seed) {
            return Err(Error::RefreshTokenInvalid);
        }
        if let Some(opened) = self.rotate(&token, (session, holder), remembered.is_some(), &client, now).await? {
            return Ok(opened);
        }
        let mut work = self.parts.db.begin().await?;
        let Some(session) = work.lock_session(session_id).await? else { return Err(Error::RefreshTokenInvalid) };
        let dead = session.is_revoked || session.expires_at <= now;
        if dead || !token.is_authentic(&self.parts.hash_key, &session.refresh_seed) {
            let mut entry = Entry::by_stranger(Action::RefreshRefused, &client).on("session", session_id);
            entry.subject = Some(session.user_id);
            work.record(entry);
            work.commit(now).await?;
            return Err(Error::RefreshTokenInvalid);
        }
        if session.idle_until.is_some_and(|end| end <= now) {
            return self.refuse(work, &session, session_id, "idle", &client, now).await;
        }
        let generation = match judge(session.generation, token.generation()) {
            Verdict::Rotate { next } | Verdict::Repeat { next } => next,
            Verdict::Reused => return self.refuse(work, &session, session_id, "refresh_reused", &client, now).await,
            Verdict::Unknown => return Err(Error::RefreshTokenInvalid),
        };
        let account = work.account(session.user_id).await?.ok_or(Error::RefreshTokenInvalid)?;
        let holder = Holder::from(&account);
        if !holder.is_active {
            return Err(Error::Suspended);
        }
        if self.has_outgrown(&holder, &session) {
            return self.refuse(work, &session, session_id, "role_changed", &client, now).await;
        }
        let access_until = self.access_until(holder.role, session.expires_at, now);
        work.advance_session(session_id, generation, access_until, now).await?;
        if generation > session.generation {
            // Before the commit: what Redis knows must not outlive the generation it tells of.
            self.forget(session_id).await;
            work.record(Entry::by_user(Action::SessionRefreshed, holder.id, &client).on("session", session_id));
        }
        work.commit(now).await?;
        self.answer((session, holder), session_id, (generation, access_until), now).await
    }

    /// Whose session this refresh token is of. A token that was never given out is refused; whether the session goes on is
    /// not looked at.
    pub(super) async fn holder_of(&self, token: &Presented) -> Result<UserId, Error> {
        let found = self.parts.db.refreshable(token.session_id()).await?;
        let (session, holder) = found.ok_or(Error::RefreshTokenInvalid)?;
        let authentic = token.is_authentic(&self.parts.hash_key, &session.refresh_seed);
        let given_out = judge(session.generation, token.generation()) != Verdict::Unknown;
        if authentic && given_out { Ok(holder.id) } else { Err(Error::RefreshTokenInvalid) }
    }

    /// The usual case, at little cost: the newest token of a session that goes on is used, and nobody else is at it. Answers
    /// `None` if it is another case, or became one: that is judged under a lock.
    async fn rotate(
        &self,
        token: &Presented,
        (session, holder): (Refreshable, Holder),
        remembered: bool,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Option<Opened>, Error> {
        let session_id = token.session_id();
        let Verdict::Rotate { next } = judge(session.generation, token.generation()) else { return Ok(None) };
        let over = session.is_revoked || session.expires_at <= now || session.idle_until.is_some_and(|end| end <= now);
        if over || !holder.is_active || self.has_outgrown(&holder, &session) {
            return Ok(None);
        }
        if remembered {
            // Before the commit: what Redis knows must not outlive the generation it tells of.
            self.forget(session_id).await;
        }
        let access_until = self.access_until(holder.role, session.expires_at, now);
        let entry = Entry::by_user(Action::SessionRefreshed, holder.id, client).on("session", session_id);
        if !self.parts.db.rotate_session(session_id, (&session, &holder), access_until, &entry, now).await? {
            return Ok(None);
        }
        self.answer((session, holder), session_id, (next, access_until), now).await.map(Some)
    }

    /// The tokens of a generation that PostgreSQL knows of, remembered for who asks again.
    async fn answer(
        &self,
        (session, holder): (Refreshable, Holder),
        session_id: SessionId,
        (generation, access_until): (u32, DateTime<Utc>),
        now: DateTime<Utc>,
    ) -> Result<Opened, Error> {
        let idles = session.idle_until.is_some();
        let facts = facts(&holder, session, session_id, generation, access_until);
        let opened = self.tokens_of(&facts, now)?;
        if !idles {
            self.remember(&facts).await;
        }
        Ok(opened)
    }

    /// Whether a session was opened on other terms than its user's role has now: for longer, or with less proof.
    fn has_outgrown(&self, holder: &Holder, session: &Refreshable) -> bool {
        let rules = &self.parts.config.second_factor;
        session.is_staff != holder.role.needs_password() || !suffices(rules, holder.role, &session.amr)
    }

    /// Ends a session whose refresh token came too late or for a second time, or that may not go on in its user's role.
    async fn refuse(
        &self,
        mut work: UnitOfWork,
        session: &Refreshable,
        session_id: SessionId,
        reason: &'static str,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Opened, Error> {
        let user_id = session.user_id;
        let ended = self.end_in(&mut work, user_id, Which::One(session_id), reason, client, now).await?;
        let reused = reason == "refresh_reused";
        let action = if reused { Action::RefreshReused } else { Action::SessionEnded };
        // Whoever sent the token is not proven to be the user.
        let mut entry = Entry::by_stranger(action, client).on("session", session_id).with("reason", reason);
        entry.subject = Some(user_id);
        work.record(entry);
        if reused {
            let event =
                security::RefreshReusedV1 { user_id: user_id.get(), session_id: session_id.get(), detected_at: now };
            work.announce(self.parts.events.event(user_id, event, client, now)?);
            if let Some(account) = work.account(user_id).await? {
                self.parts.notices.refresh_reused(&mut work, &account, client, now)?;
            }
        }
        work.commit(now).await?;
        self.spread(ended, client, now);
        Err(Error::RefreshTokenInvalid)
    }

    fn refresh_key(&self, session_id: SessionId) -> String {
        self.parts.memory.key(&["refresh", &session_id.to_string()])
    }

    /// What Redis knows of the session of a token.
    async fn remembered(&self, token: &Presented) -> Option<Remembered> {
        let mut get = redis::cmd("HGET");
        get.arg(self.refresh_key(token.session_id())).arg("state");
        let state: Option<String> = self.parts.memory.command(&get).await.ok()?;
        serde_json::from_str(&state?).ok()
    }

    /// The successor that was given out before, if the one before it comes again. `None` leaves it to PostgreSQL.
    fn repeat_from_memory(&self, token: &Presented, known: &Remembered) -> Option<Opened> {
        let seed: [u8; 32] = hex::decode(&known.seed).ok()?.try_into().ok()?;
        let Verdict::Repeat { next: generation } = judge(known.generation, token.generation()) else { return None };
        let now = self.parts.clock.now();
        // With less than half its life left a token is not worth much: PostgreSQL gives out a longer one.
        let fresh = known.access_until - now > self.parts.tokens.life(known.role) / 2;
        if !fresh || !token.is_authentic(&self.parts.hash_key, &seed) {
            return None;
        }
        let facts = Facts {
            user_id: known.user_id,
            role: known.role,
            session_id: token.session_id(),
            amr: known.amr.clone(),
            auth_time: known.auth_time,
            token_epoch: known.token_epoch,
            seed,
            generation,
            access_until: known.access_until,
            expires_at: known.expires_at,
            profile_completion: known.profile_completion,
            is_new_user: false,
        };
        let holder = Principal {
            user_id: facts.user_id,
            role: facts.role,
            session_id: facts.session_id,
            amr: Vec::new(),
            auth_time: facts.auth_time,
            token_epoch: facts.token_epoch,
            expires_at: facts.access_until,
        };
        if self.revocations.refuses(&holder) != Some(false) {
            return None;
        }
        self.activity.note(facts.session_id, now);
        self.tokens_of(&facts, now).ok()
    }

    /// Lets Redis answer who uses the last token again. Best effort: PostgreSQL can, too.
    async fn remember(&self, facts: &Facts) {
        let state = Remembered {
            user_id: facts.user_id,
            role: facts.role,
            amr: facts.amr.clone(),
            auth_time: facts.auth_time,
            token_epoch: facts.token_epoch,
            seed: hex::encode(facts.seed),
            generation: facts.generation,
            access_until: facts.access_until,
            expires_at: facts.expires_at,
            profile_completion: facts.profile_completion,
        };
        let Ok(state) = serde_json::to_string(&state) else { return };
        let mut remember = self.remember.prepare_invoke();
        remember.key(self.refresh_key(facts.session_id)).arg(facts.generation).arg(state).arg(REMEMBERED_MS);
        if let Err(error) = self.parts.memory.run::<()>(&remember).await {
            tracing::debug!(%error, "a refresh could not be remembered");
        }
    }

    /// Forgets what Redis knows of a session. Best effort: it is gone in a minute.
    async fn forget(&self, session: SessionId) {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.refresh_key(session));
        if !matches!(timeout(FORGET, self.parts.memory.command::<()>(&delete)).await, Ok(Ok(()))) {
            tracing::debug!("a refresh could not be forgotten");
        }
    }
}

fn facts(
    holder: &Holder,
    session: Refreshable,
    session_id: SessionId,
    generation: u32,
    access_until: DateTime<Utc>,
) -> Facts {
    Facts {
        user_id: holder.id,
        role: holder.role,
        session_id,
        amr: session.amr,
        auth_time: session.auth_time,
        token_epoch: holder.token_epoch,
        seed: session.refresh_seed,
        generation,
        access_until,
        expires_at: session.expires_at,
        profile_completion: holder.profile_completion,
        is_new_user: false,
    }
}
