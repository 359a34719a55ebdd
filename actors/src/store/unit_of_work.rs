//! The unit of work: one transaction for a fact and everything that follows from it.

use std::sync::Arc;

use super::bell::Bell;
use super::connection::{Connection, Transaction};
use super::{Error, consequences, outbox};
use crate::domain::audit::Entry;
use chrono::{DateTime, Utc};

/// A transaction that also gathers audit entries and outgoing messages, and writes them just before it commits. Dropped
/// without [`commit`](Self::commit), nothing of it happened.
#[must_use = "a unit of work that is not committed did nothing"]
pub struct UnitOfWork {
    transaction: Transaction,
    entries: Vec<Entry>,
    messages: Vec<outbox::Message>,
    bell: Arc<Bell>,
}

impl UnitOfWork {
    pub(super) fn new(transaction: Transaction, bell: Arc<Bell>) -> Self {
        Self { transaction, entries: Vec::new(), messages: Vec::new(), bell }
    }

    /// The connection, for the statements of the store.
    pub(super) fn connection(&mut self) -> &mut Connection {
        self.transaction.connection()
    }

    /// Adds an audit entry.
    pub fn record(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Adds an outgoing message.
    pub fn announce(&mut self, message: outbox::Message) {
        self.messages.push(message);
    }

    /// Writes what was gathered, commits, and wakes the relays.
    pub async fn commit(self, now: DateTime<Utc>) -> Result<(), Error> {
        let Self { mut transaction, entries, messages, bell } = self;
        let commit = async {
            consequences::insert(transaction.connection(), &entries, &messages, &bell, now).await?;
            Ok(transaction.commit().await?)
        };
        commit.await.inspect_err(|_| bell.was_for_nothing())
    }
}
