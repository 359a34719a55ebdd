//! Sessions: opened for who proved themselves, refreshed by rotation, recognised on every request, refused everywhere once
//! they ended.
//!
//! Owns: the revocation view, in memory, fed by NATS and re-read from PostgreSQL every `REREAD_EVERY`, and the signing keys,
//! re-read too, so that a request is authenticated without asking anyone; and the uses of sessions, which are written in
//! batches. Bound: `ADMITTED` messages at once. When PostgreSQL is away no session opens or ends, and none gets newer tokens;
//! those already open are recognised. When NATS is away a revocation takes a re-read to arrive elsewhere.
//! May touch: the store, NATS.

mod activity;
mod actor;
mod again;
mod broadcasts;
mod end;
mod error;
mod follow;
mod keys;
mod messages;
mod open;
mod refresh;
mod revocations;
mod service;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle};

pub use self::error::Error;
pub(crate) use self::keys::place as sealing_place;
pub use self::keys::{KeyRing, KeyRingError, KeyRingParts, ListedKey, Rotated};
pub use self::messages::{
    AskAgain, Ended, Entrant, OpenSession, Opened, Pending, RefreshSession, Repeated, RevokeSessions, SignIn, Signup,
    Spend, Which,
};
pub use self::service::{Config, Parts, Service};
use crate::domain::client::Client;
use crate::domain::principal::{Principal, SessionId, UserId};
use crate::domain::recent_proof::Act;
use crate::domain::refresh::parse;
use crate::domain::role::Role;
pub use crate::store::sessions::Listed;
use crate::supervision::{Gate, Supervisor, ask};

/// How many messages may wait or be in work at once: a second's worth of a busy node.
const ADMITTED: usize = 1024;

/// The door to sessions.
#[derive(Clone, Debug)]
pub struct Handle {
    gate: Gate,
    address: Addr<actor::SessionsActor>,
    service: Arc<Service>,
}

impl Handle {
    /// Starts the actor and its loops on `arbiter`, under `supervisor`.
    pub fn start(service: Service, arbiter: &ArbiterHandle, supervisor: &Supervisor) -> Self {
        let service = Arc::new(service);
        let (inner, supervisor) = (Arc::clone(&service), supervisor.clone());
        let address =
            actor::SessionsActor::start_in_arbiter(arbiter, move |_| actor::SessionsActor::new(inner, supervisor));
        Self { gate: Gate::new("sessions", ADMITTED), address, service }
    }

    /// The service, for components that change a user and their sessions in one transaction.
    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// Says who holds this access token: signature and revocation view, no round trip.
    pub fn authenticate(&self, bearer: &str) -> Result<Principal, Error> {
        self.service.authenticate(bearer)
    }

    /// Whether the revocation view was read at least once: before that, nobody is let in.
    pub fn is_ready(&self) -> bool {
        self.service.is_ready()
    }

    /// Whether the signing keys were read at least once: before that, nobody is let in either.
    pub fn has_keys(&self) -> bool {
        self.service.keys().is_loaded()
    }

    /// The public keys with which others verify access tokens, as a JWK set (RFC 7517).
    pub fn jwks(&self) -> Result<serde_json::Value, Error> {
        self.service.keys().jwks()
    }

    /// The signing keys, for operators' commands.
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(self.service.keys())
    }

    /// Refuses who proved themselves too long ago for `act`.
    pub async fn require_recent(&self, principal: &Principal, act: Act) -> Result<(), Error> {
        self.service.require_recent(principal, act).await
    }

    /// Opens a session, or says what is missing to one.
    pub async fn open(&self, message: OpenSession) -> Result<SignIn, Error> {
        ask(&self.gate, &self.address, message).await
    }

    /// What became of a proof that somebody presents again.
    pub async fn answer_again(&self, asked: AskAgain) -> Result<Repeated, Error> {
        self.service.answer_again(asked).await
    }

    /// Exchanges a refresh token for its successor. Using one again gives the same successor as long as that is unused; after
    /// that it ends the session.
    pub async fn refresh(&self, token: &str, client: Client) -> Result<Opened, Error> {
        let token = parse(token).ok_or(Error::RefreshTokenInvalid)?;
        ask(&self.gate, &self.address, RefreshSession { token, client }).await
    }

    /// The live sessions of a user, the one used last first.
    pub async fn live(&self, user_id: UserId) -> Result<Vec<Listed>, Error> {
        self.service.live(user_id).await
    }

    /// Up to `limit` ended sessions of a user, newest first, of those before `before`.
    pub async fn ended(&self, user_id: UserId, before: Option<SessionId>, limit: i64) -> Result<Vec<Listed>, Error> {
        self.service.ended(user_id, before, limit).await
    }

    /// Ends the session of `principal`. Ending it twice is no error.
    pub async fn logout(&self, principal: &Principal, client: Client) -> Result<(), Error> {
        self.revoke(principal, Which::One(principal.session_id), "logout", client).await.map(|_| ())
    }

    /// Ends the session of a refresh token: whoever holds one may sign out with it, also with one that was used.
    pub async fn logout_by_token(&self, token: &str, client: Client) -> Result<(), Error> {
        let token = parse(token).ok_or(Error::RefreshTokenInvalid)?;
        let (user_id, actor) = self.service.holder_of(&token).await.map(|holder| (holder, holder))?;
        let (which, reason) = (Which::One(token.session_id()), "logout");
        match ask(&self.gate, &self.address, RevokeSessions { user_id, which, reason, actor, client }).await? {
            0 => Err(Error::RefreshTokenInvalid),
            _ => Ok(()),
        }
    }

    /// Whether this session is known here to have ended, without asking anyone. It may have ended all the same.
    pub fn has_ended(&self, session: SessionId) -> bool {
        self.service.has_ended(session)
    }

    /// Ends all sessions of the user of `principal`. Answers how many there were.
    pub async fn logout_all(&self, principal: &Principal, client: Client) -> Result<usize, Error> {
        self.require_recent(principal, Act::EndOwnSessions).await?;
        self.revoke(principal, Which::All, "logout_all", client).await
    }

    /// Ends all sessions of the user but that of `principal`. Answers how many there were.
    pub async fn logout_others(&self, principal: &Principal, client: Client) -> Result<usize, Error> {
        self.require_recent(principal, Act::EndOwnSessions).await?;
        self.revoke(principal, Which::AllBut(principal.session_id), "logout_others", client).await
    }

    /// Ends one session of the user, from another. Fails with [`Error::NoSuchSession`] if it is not theirs or has ended.
    pub async fn logout_remote(&self, principal: &Principal, session: SessionId, client: Client) -> Result<(), Error> {
        if session != principal.session_id {
            self.require_recent(principal, Act::EndOwnSessions).await?;
        }
        match self.revoke(principal, Which::One(session), "remote_logout", client).await? {
            0 => Err(Error::NoSuchSession),
            _ => Ok(()),
        }
    }

    /// Ends all sessions of `user_id` on an administrator's word. Answers how many there were.
    pub async fn revoke_all(
        &self,
        (user_id, role): (UserId, Role),
        admin: &Principal,
        client: Client,
    ) -> Result<usize, Error> {
        self.require_recent(admin, Act::RevokeSessions.done_to(role)).await?;
        let (which, reason, actor) = (Which::All, "revoked_by_admin", admin.user_id);
        ask(&self.gate, &self.address, RevokeSessions { user_id, which, reason, actor, client }).await
    }

    async fn revoke(
        &self,
        principal: &Principal,
        which: Which,
        reason: &'static str,
        client: Client,
    ) -> Result<usize, Error> {
        let (user_id, actor) = (principal.user_id, principal.user_id);
        ask(&self.gate, &self.address, RevokeSessions { user_id, which, reason, actor, client }).await
    }

    /// Finishes what was admitted and stops.
    pub async fn drain(&self, budget: Duration) {
        if tokio::time::timeout(budget, self.gate.close()).await.is_err() {
            tracing::warn!(actor = "sessions", "not drained in time");
        }
        if self.address.send(messages::Stop).await.is_err() {
            tracing::debug!(actor = "sessions", "had stopped already");
        }
    }
}
