//! One-time codes: issued within budgets, sent by SMS through NATS, spent once.
//!
//! Owns: what the send breaker paused and decided. Codes, budgets and guesses live in Redis, where one script each reads and writes
//! them. Bound: `ADMITTED` messages at once, then [`Error::Overloaded`]. When Redis is away nothing is issued or
//! accepted. When NATS is away the job waits in the outbox until the code expires. May touch: Redis, NATS, the outbox.

mod actor;
mod breaker;
mod error;
mod known_devices;
mod messages;
mod service;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle};
use tokio_util::sync::CancellationToken;

pub use self::breaker::{Config as BreakerConfig, resume};
pub use self::error::Error;
pub use self::messages::{Again, CodeRef, IssueOtp, Issued, RequestOtp, Requested, SpentCode, VerifyOtp};
pub use self::service::{Parts, Service};
use crate::domain::client::Client;
use crate::domain::limit::Rate;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::Phone;
use crate::limits::Subject;
use crate::supervision::{Gate, ask};

/// How many messages may wait or be in work at once: a second's worth of a busy node.
const ADMITTED: usize = 1024;

/// The rules of one-time codes.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long a code lives.
    pub lifetime: Duration,
    /// How long a code to reset a password lives.
    pub reset_lifetime: Duration,
    /// Wrong guesses after which a code is dead.
    pub max_guesses: u32,
    /// When a client is advised to offer "send again".
    pub resend_after: Duration,
    /// Codes for one phone.
    pub per_phone: Rate,
    /// Codes asked for by one address.
    pub per_address: Rate,
    /// Codes to reset the password of one phone.
    pub resets_per_phone: Rate,
    /// Codes to reset a password, asked for by one address.
    pub resets_per_address: Rate,
    /// Countries that get codes (ISO 3166).
    pub allowed_countries: Vec<String>,
    /// When sending pauses.
    pub breaker: BreakerConfig,
    /// Whether answers hold the code itself. Development only.
    pub expose_codes: bool,
}

/// The door to one-time codes.
#[derive(Clone, Debug)]
pub struct Handle {
    gate: Gate,
    address: Addr<actor::OtpActor>,
    service: Arc<Service>,
}

impl Handle {
    /// Starts the actor on `arbiter`; `crashed` is cancelled if it dies.
    pub fn start(service: Service, arbiter: &ArbiterHandle, crashed: &CancellationToken) -> Self {
        let service = Arc::new(service);
        let (inner, crashed) = (Arc::clone(&service), crashed.clone());
        let address = actor::OtpActor::start_in_arbiter(arbiter, move |_| actor::OtpActor::new(inner, &crashed));
        Self { gate: Gate::new("otp", ADMITTED), address, service }
    }

    /// Issues a code for `phone` and sends it. The answer is the same whether or not the phone has an account.
    pub async fn request(&self, phone: Phone, purpose: Purpose, client: Client) -> Result<Requested, Error> {
        ask(&self.gate, &self.address, RequestOtp { phone, purpose, client }).await
    }

    /// Issues a code for `phone` and leaves it to the caller to put its message into the outbox, or not to.
    pub async fn issue(&self, phone: Phone, purpose: Purpose, client: Client) -> Result<Issued, Error> {
        ask(&self.gate, &self.address, IssueOtp(RequestOtp { phone, purpose, client })).await
    }

    /// Sends what was issued. A code that cannot be handed over costs the phone nothing.
    pub async fn send(&self, issued: Issued) -> Result<Requested, Error> {
        self.service.send(issued).await
    }

    /// Takes back a code whose message could not be sent, and what it cost.
    pub async fn withdraw(&self, issued: Issued) {
        self.service.withdraw(&issued.withdrawal).await;
    }

    /// Spends `code` if it is the live code of `phone` for `purpose`; a wrong one is a failure of `subject`.
    pub async fn verify(
        &self,
        phone: Phone,
        purpose: Purpose,
        code: OtpCode,
        subject: Subject,
        client: &Client,
    ) -> Result<SpentCode, Error> {
        let client = client.clone();
        ask(&self.gate, &self.address, VerifyOtp { phone, purpose, code, subject, client }).await
    }

    /// Makes the live codes of `phone` for `purpose` worthless that `client` or a stranger asked for.
    pub async fn discard(&self, phone: &Phone, purpose: Purpose, client: &Client) {
        self.service.discard(phone, purpose, client).await;
    }

    /// Makes a spent code valid again after something that failed through no fault of the user. A newer code stays.
    pub async fn restore(&self, code: &CodeRef) {
        self.service.restore(code).await;
    }

    /// Notes that nobody got the answer to a spent code: whoever knows the code is answered again.
    pub async fn answer_was_lost(&self, code: &CodeRef) {
        self.service.answer_was_lost(code).await;
    }

    /// Finishes what was admitted and stops.
    pub async fn drain(&self, budget: Duration) {
        if tokio::time::timeout(budget, self.gate.close()).await.is_err() {
            tracing::warn!(actor = "otp", "not drained in time");
        }
        self.service.write_decisions().await;
        self.address.do_send(messages::Stop);
    }
}
