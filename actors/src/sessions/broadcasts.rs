//! What other nodes are told: gathered for a moment, so that many ends of sessions cost few writes, and sent by a loop, so that a
//! NATS that is slow or away holds up nobody who logs out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::envelope::Envelope;
use civiclens_nats::publish::{self, Broadcast};
use civiclens_nats::wire::Payload;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::service::Service;
use crate::domain::client::Client;
use crate::supervision::Heartbeat;

/// How long broadcasts gather: little of the second within which every node must know.
const GATHER: Duration = Duration::from_millis(5);

/// How long sending what was gathered may take.
const SEND: Duration = Duration::from_secs(10);
/// How often the connection is looked at while there is nothing to send.
const REST: Duration = Duration::from_secs(5);

/// The broadcasts that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    waiting: Mutex<Vec<Broadcast>>,
    some: Notify,
}

impl Outgoing {
    fn add(&self, broadcast: Broadcast) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(broadcast);
        self.some.notify_one();
    }

    fn take(&self) -> Vec<Broadcast> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Service {
    /// Tells the other nodes, in a moment. Never fails: who does not hear it reads it.
    pub(super) fn broadcast<T: Payload>(&self, user_id: i64, message: T, client: &Client, now: DateTime<Utc>) {
        let Ok(id) = self.parts.events.id(now) else { return };
        let envelope = Envelope::new(id, now, user_id, message).with_request_id(client.request_id.clone());
        match Broadcast::of(envelope) {
            Ok(broadcast) => self.outgoing.add(broadcast),
            Err(error) => tracing::error!(%error, "a revocation could not be written: other nodes will read it"),
        }
    }

    /// Sends broadcasts until `stop`; then sends what is left.
    pub(super) async fn send_broadcasts(&self, stop: CancellationToken, heartbeat: Heartbeat) {
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    let _left_to_the_others_reading = heartbeat.step(SEND, self.send_gathered()).await;
                    return;
                }
                () = self.outgoing.some.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(REST) => {}
            }
            if let Err(error) = heartbeat.step(SEND, self.send_gathered()).await {
                tracing::debug!(%error, "revocations are not broadcast");
            }
        }
    }

    /// Sends what was gathered. Without a connection that fails, also where there is nothing to send.
    async fn send_gathered(&self) -> Result<(), publish::Error> {
        let subject = self.parts.events.subjects().broadcast_revocation();
        if !publish::is_connected(&self.parts.nats) {
            let given_up = self.outgoing.take().len();
            if given_up > 0 {
                tracing::warn!(given_up, "revocations were not broadcast: other nodes will read them");
            }
            return Err(publish::Error::NotConnected);
        }
        for broadcast in self.outgoing.take() {
            if let Err(error) = publish::broadcast(&self.parts.nats, subject.clone(), broadcast).await {
                tracing::warn!(%error, "a revocation was not broadcast: other nodes will read it");
            }
        }
        Ok(())
    }
}
