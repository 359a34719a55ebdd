//! Events on their way into the outbox: what every component says of a change, in the change's own transaction.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use civiclens_nats::envelope::Envelope;
use civiclens_nats::subjects::Subjects;
use civiclens_nats::wire::Payload;
use uuid::Uuid;

use crate::domain::client::Client;
use crate::domain::entropy::{self, Entropy, Exhausted};
use crate::domain::principal::UserId;
use crate::store::outbox;

/// Why an event was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No random bytes for its id.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// It could not be written.
    #[error("an event could not be written")]
    Json(#[from] serde_json::Error),
}

/// Makes events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Events {
    subjects: Subjects,
    entropy: Arc<dyn Entropy>,
}

impl Events {
    /// Makes events under the names of `subjects`.
    pub fn new(subjects: Subjects, entropy: Arc<dyn Entropy>) -> Self {
        Self { subjects, entropy }
    }

    /// The names of subjects.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// An id for a message of this moment.
    pub fn id(&self, now: DateTime<Utc>) -> Result<Uuid, Exhausted> {
        entropy::uuid_v7(now, &*self.entropy)
    }

    /// The event that `data` tells of, about `user_id`, as a request of `client` led to it.
    pub fn event<T: Payload>(
        &self,
        user_id: UserId,
        data: T,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<outbox::Message, Error> {
        let id = self.id(now)?;
        let envelope = Envelope::new(id, now, user_id, data).with_request_id(client.request_id.clone());
        Ok(outbox::Message {
            id,
            key: user_id.get(),
            subject: self.subjects.event(T::NAME),
            payload: envelope.to_text()?,
            request_id: client.request_id.clone(),
            expires_at: None,
        })
    }
}
