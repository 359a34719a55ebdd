//! Refreshing a session: each refresh token gives a successor, the same one until that is used.
//!
//! PostgreSQL decides about every token, the newest and those before it. The usual cases take one look at the row: the newest
//! token is exchanged by a statement that fails if anything changed meanwhile, the one before it, which some clients send every
//! time, is answered again without writing. Everything else is judged under locks. Redis has no part in it: what it remembered
//! could be older than the row, and answer somebody who stole a token instead of ending the session.

use chrono::{DateTime, Utc};
use civiclens_nats::events::security;

use super::Error;
use super::messages::{Opened, RefreshSession, Which};
use super::service::{Facts, Service};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::principal::{SessionId, UserId};
use crate::domain::refresh::{Presented, Refreshes, Verdict, judge};
use crate::domain::second_step::suffices;
use crate::store::UnitOfWork;
use crate::store::refresh::{Holder, Refreshable};

impl Service {
    /// Exchanges a refresh token.
    pub(super) async fn refresh(&self, request: RefreshSession) -> Result<Opened, Error> {
        let RefreshSession { token, client } = request;
        let now = self.parts.clock.now();
        let session_id = token.session_id();
        // Judged before anything is locked: a stranger who guesses numbers must not hold up whose they are.
        let Some((session, holder)) = self.parts.db.refreshable(session_id).await? else {
            return Err(Error::RefreshTokenInvalid);
        };
        if !token.is_authentic(&self.parts.hash_key, &session.refresh_seed) {
            return Err(Error::RefreshTokenInvalid);
        }
        // What has ended stays so: no lock is needed to say it, however often it is asked.
        if session.is_revoked || session.expires_at <= now {
            return self.refuse_dead(session.user_id, session_id, &client).await;
        }
        if let Some(opened) = self.answer_at_once(&token, (session, holder), &client, now).await? {
            return Ok(opened);
        }
        let mut work = self.parts.db.begin().await?;
        let Some(session) = work.lock_session(session_id).await? else { return Err(Error::RefreshTokenInvalid) };
        let dead = session.is_revoked || session.expires_at <= now;
        if dead || !token.is_authentic(&self.parts.hash_key, &session.refresh_seed) {
            drop(work);
            return self.refuse_dead(session.user_id, session_id, &client).await;
        }
        if session.idle_until.is_some_and(|end| end <= now) {
            return self.refuse(work, &session, session_id, "idle", &client, now).await;
        }
        let (generation, refreshes) = match judge(session.generation, token.generation()) {
            Verdict::Rotate { next } | Verdict::Skip { next } => (next, self.one_more(&session, now)?),
            Verdict::Repeat { next } => (next, session.refreshes),
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
        work.advance_session(session_id, (generation, refreshes), access_until, now).await?;
        if generation > session.generation {
            work.record(Entry::by_user(Action::SessionRefreshed, holder.id, &client).on("session", session_id));
        }
        work.commit(now).await?;
        self.tokens_of(&facts(&holder, session, session_id, generation, access_until), now)
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

    /// The usual cases, at little cost: the newest token of a session that goes on is used and nobody else is at it, or the one
    /// before it comes again. Answers `None` if it is another case, or became one: that is judged under locks.
    async fn answer_at_once(
        &self,
        token: &Presented,
        (session, holder): (Refreshable, Holder),
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Option<Opened>, Error> {
        let session_id = token.session_id();
        let over = session.is_revoked || session.expires_at <= now || session.idle_until.is_some_and(|end| end <= now);
        if over || !holder.is_active || self.has_outgrown(&holder, &session) {
            return Ok(None);
        }
        let (generation, access_until) = match judge(session.generation, token.generation()) {
            Verdict::Rotate { next } => {
                let refreshes = self.one_more(&session, now)?;
                let access_until = self.access_until(holder.role, session.expires_at, now);
                let entry = Entry::by_user(Action::SessionRefreshed, holder.id, client).on("session", session_id);
                let seen = (&session, &holder);
                if !self.parts.db.rotate_session(session_id, seen, refreshes, access_until, &entry, now).await? {
                    return Ok(None);
                }
                (next, access_until)
            }
            // With less than half its life left a token is not worth much: a longer one is noted first. So is the use of a session
            // that ends if it is not used, so that its end is exact.
            Verdict::Repeat { next }
                if session.idle_until.is_none()
                    && session.access_until - now > self.parts.tokens.life(holder.role) / 2 =>
            {
                self.activity.note(session_id, now);
                let longest = self.access_until(holder.role, session.expires_at, now);
                (next, session.access_until.min(longest))
            }
            _ => return Ok(None),
        };
        self.tokens_of(&facts(&holder, session, session_id, generation, access_until), now).map(Some)
    }

    fn one_more(&self, session: &Refreshable, now: DateTime<Utc>) -> Result<Refreshes, Error> {
        session.refreshes.one_more(self.parts.config.refreshes, now).map_err(Error::Limited)
    }

    /// Refuses a token of a session that has ended. Recorded, but not without end: the token is good for nothing else.
    async fn refuse_dead(&self, user: UserId, session: SessionId, client: &Client) -> Result<Opened, Error> {
        let mut entry = Entry::by_stranger(Action::RefreshRefused, client).on("session", session);
        entry.subject = Some(user);
        self.parts.audit.refused(entry).await?;
        Err(Error::RefreshTokenInvalid)
    }

    /// Whether a session was opened on other terms than its user's role has now: for longer, or with less proof.
    pub(super) fn has_outgrown(&self, holder: &Holder, session: &Refreshable) -> bool {
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
        password_temporary: holder.password_temporary,
    }
}
