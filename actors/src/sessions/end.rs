//! Ending sessions: in one transaction with what is said of it; then refused here at once and everywhere by broadcast.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use civiclens_nats::broadcast::{RevocationV1, RevocationV2};
use civiclens_nats::events::session;

use super::Error;
use super::messages::{Ended, RevokeSessions, Which};
use super::revocations::Epoch;
use super::service::Service;
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::principal::{SessionId, UserId};
use crate::store::revocations::Revocation;
use crate::store::{UnitOfWork, outbox};

/// How many idle sessions are ended in one transaction.
const IDLE_BATCH: i64 = 200;

impl Service {
    /// Ends sessions on somebody's word. Answers how many were live.
    pub(super) async fn revoke(&self, request: RevokeSessions) -> Result<usize, Error> {
        let RevokeSessions { user_id, which, reason, actor, client } = request;
        let now = self.parts.clock.now();
        let mut entry = Entry::by_user(action(which, reason), user_id, &client).with("reason", reason);
        entry.actor = Some(actor);
        let ended = if let Which::One(session) = which {
            let (entry, event) = (entry.on("session", session), self.revoked(user_id, session, reason, &client, now)?);
            let ended = self.parts.db.end_session((user_id, session), reason, (&entry, &event), now).await?;
            Ended { sessions: ended.into_iter().collect(), epoch: None }
        } else {
            let mut work = self.parts.db.begin().await?;
            work.lock_user(user_id).await?;
            let ended = self.end_in(&mut work, user_id, which, reason, &client, now).await?;
            work.record(entry.with("count", ended.sessions.len()));
            work.commit(now).await?;
            ended
        };
        let count = ended.sessions.len();
        self.spread(ended, &client, now);
        Ok(count)
    }

    /// Ends sessions in a transaction and announces each. Where it may be more than one, the user's row must be locked (see
    /// [`store`](crate::store)). The caller records why, commits, and then calls [`spread`](Self::spread).
    pub(crate) async fn end_in(
        &self,
        work: &mut UnitOfWork,
        user_id: UserId,
        which: Which,
        reason: &str,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Ended, Error> {
        let sessions = match which {
            Which::One(session) => work.revoke_session(user_id, session, reason, now).await?.into_iter().collect(),
            Which::All => work.revoke_sessions(user_id, None, reason, now).await?,
            Which::AllBut(session) => work.revoke_sessions(user_id, Some(session), reason, now).await?,
        };
        self.announce(work, &sessions, reason, client, now)?;
        Ok(Ended { sessions, epoch: None })
    }

    /// Ends the oldest sessions of a user, so that `keep` are left.
    pub(super) async fn end_oldest_in(
        &self,
        work: &mut UnitOfWork,
        user_id: UserId,
        keep: u32,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Ended, Error> {
        let sessions = work.revoke_oldest_sessions(user_id, keep, "session_limit", now).await?;
        for ended in &sessions {
            let entry = Entry::by_user(Action::SessionEnded, user_id, client).on("session", ended.session_id);
            work.record(entry.with("reason", "session_limit"));
        }
        self.announce(work, &sessions, "session_limit", client, now)?;
        Ok(Ended { sessions, epoch: None })
    }

    fn announce(
        &self,
        work: &mut UnitOfWork,
        sessions: &[Revocation],
        reason: &str,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        for ended in sessions {
            work.announce(self.revoked(ended.user_id, ended.session_id, reason, client, now)?);
        }
        Ok(())
    }

    /// What other services hear of the end of a session.
    fn revoked(
        &self,
        user_id: UserId,
        session_id: SessionId,
        reason: &str,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<outbox::Message, Error> {
        let event = session::RevokedV1 {
            user_id: user_id.get(),
            session_id: session_id.get(),
            reason: reason.to_owned(),
            revoked_at: now,
        };
        Ok(self.parts.events.event(user_id, event, client, now)?)
    }

    /// Refuses here what ended, and tells the other nodes. Never fails: who does not hear it reads it.
    pub(crate) fn spread(&self, ended: Ended, client: &Client, now: DateTime<Utc>) {
        let Ended { sessions, epoch } = ended;
        if sessions.is_empty() && epoch.is_none() {
            return;
        }
        let longest = now + self.parts.tokens.longest_life();
        self.revocations.add(sessions.iter().map(|ended| (ended.session_id, ended.keep_until)));
        if let Some((user_id, first)) = epoch {
            self.revocations.add_epoch(&Epoch { user_id, first, keep_until: longest });
        }
        let mut by_user: BTreeMap<i64, RevocationV2> = BTreeMap::new();
        let empty = |user_id: UserId| RevocationV2 {
            user_id: user_id.get(),
            session_ids: Vec::new(),
            token_epoch: None,
            revoked_at: now,
            keep_until: longest,
        };
        for ended in &sessions {
            let message = by_user.entry(ended.user_id.get()).or_insert_with(|| empty(ended.user_id));
            message.session_ids.push(ended.session_id.get());
            message.keep_until = message.keep_until.max(ended.keep_until);
        }
        if let Some((user_id, first)) = epoch {
            by_user.entry(user_id.get()).or_insert_with(|| empty(user_id)).token_epoch = Some(first);
        }
        for message in by_user.into_values() {
            // Nodes of the release before understand this form alone; the others hear it twice and are none the wiser.
            let RevocationV2 { user_id, ref session_ids, revoked_at, keep_until, .. } = message;
            if !session_ids.is_empty() {
                let session_ids = session_ids.clone();
                let old = RevocationV1 { user_id, session_ids, revoked_at, keep_until };
                self.broadcast(user_id, old, client, now);
            }
            if message.token_epoch.is_some() {
                self.broadcast(user_id, message, client, now);
            }
        }
    }

    /// Ends sessions with which nothing was done for too long. Answers whether there may be more.
    pub(super) async fn end_idle(&self) -> Result<bool, Error> {
        let now = self.parts.clock.now();
        let mut work = self.parts.background_db.begin().await?;
        let sessions = work.revoke_idle_sessions(IDLE_BATCH, now).await?;
        if sessions.is_empty() {
            return Ok(false);
        }
        let client = Client::nobody();
        for ended in &sessions {
            let entry = Entry::by_system_about(Action::SessionEnded, ended.user_id).on("session", ended.session_id);
            work.record(entry.with("reason", "idle"));
        }
        self.announce(&mut work, &sessions, "idle", &client, now)?;
        work.commit(now).await?;
        let more = i64::try_from(sessions.len()).is_ok_and(|count| count == IDLE_BATCH);
        self.spread(Ended { sessions, epoch: None }, &client, now);
        Ok(more)
    }
}

fn action(which: Which, reason: &str) -> Action {
    match which {
        Which::One(_) if reason == "logout" => Action::LoggedOut,
        Which::One(_) => Action::SessionRevoked,
        Which::All | Which::AllBut(_) => Action::SessionsRevoked,
    }
}
