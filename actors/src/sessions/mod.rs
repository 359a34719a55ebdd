//! Sessions: opened for who proved themselves, recognised on every request, refused everywhere once revoked.
//!
//! Owns: the revocation view, in memory, fed by NATS and re-read from PostgreSQL every `REREAD_EVERY`, and the signing keys,
//! re-read too; so a request is authenticated without asking anyone. Bound: `ADMITTED` messages at once. When PostgreSQL is away no session
//! opens or ends, and those already open go on. When NATS is away a revocation takes a re-read to arrive elsewhere.
//! May touch: the store, Redis (second steps), NATS.

mod actor;
mod error;
mod keys;
mod messages;
mod revocations;
mod service;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle};
use tokio_util::sync::CancellationToken;

pub use self::error::Error;
pub use self::keys::{KeyRing, KeyRingError, KeyRingParts, Listed, Rotated};
pub use self::messages::{OpenSession, Opened, RevokeSession, SecondStep, SignIn};
pub use self::service::{Config, Parts, Service};
use crate::domain::client::{Client, Device};
use crate::domain::phone::Phone;
use crate::domain::principal::Principal;
use crate::supervision::{Gate, ask};

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
    /// Starts the actor on `arbiter`; `crashed` is cancelled if it or its loop dies.
    pub fn start(service: Service, arbiter: &ArbiterHandle, crashed: &CancellationToken) -> Self {
        let service = Arc::new(service);
        let (inner, crashed) = (Arc::clone(&service), crashed.clone());
        let address =
            actor::SessionsActor::start_in_arbiter(arbiter, move |_| actor::SessionsActor::new(inner, crashed));
        Self { gate: Gate::new("sessions", ADMITTED), address, service }
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

    /// Opens a session for who proved to hold `phone`, and creates the account on first sight.
    pub async fn open_for_phone(&self, phone: Phone, device: Option<Device>, client: Client) -> Result<SignIn, Error> {
        ask(&self.gate, &self.address, OpenSession { phone, device, client }).await
    }

    /// Ends the session of `principal`. Ending it twice is no error.
    pub async fn logout(&self, principal: &Principal, client: Client) -> Result<(), Error> {
        let message =
            RevokeSession { user_id: principal.user_id, session_id: principal.session_id, reason: "logout", client };
        ask(&self.gate, &self.address, message).await
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
