//! The outbox relay: moves committed messages to JetStream.
//!
//! Owns: the loop, and the lanes it holds while it works. Bound: `BATCH` messages a pass. A message is marked published
//! only after JetStream acknowledged it, under its own id, so a relay that dies in between sends a copy that JetStream
//! recognises. What concerns one user leaves in order, also with several relays (see the `outbox_lanes` table). While NATS
//! is away messages wait; nothing else stops. May touch: the store, NATS.

mod actor;
mod relay;

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, Addr, ArbiterHandle, Message};

pub use self::relay::{Error, Relay};
use crate::supervision::Supervisor;

/// How many messages one pass may take.
const BATCH: u16 = 512;

/// One last pass, then stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Stop;

/// The door to the relay.
#[derive(Clone, Debug)]
pub struct Handle {
    address: Addr<actor::OutboxActor>,
}

impl Handle {
    /// Starts the relay on `arbiter`, under `supervisor`.
    pub fn start(relay: Relay, arbiter: &ArbiterHandle, supervisor: &Supervisor) -> Self {
        let (relay, supervisor) = (Arc::new(relay), supervisor.clone());
        Self {
            address: actor::OutboxActor::start_in_arbiter(arbiter, move |_| actor::OutboxActor::new(relay, supervisor)),
        }
    }

    /// Publishes what is there, once, and stops; at most `budget`.
    pub async fn drain(&self, budget: Duration) {
        if self.address.send(Stop).timeout(budget).await.is_err() {
            tracing::warn!(actor = "outbox", "not drained in time");
        }
    }
}
