//! The `log` provider: nothing leaves; the message is in the development inbox. Refused outside development.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Provider, ProviderError, Sms};
use crate::domain::clock::Clock;
use crate::notifications::inbox::{Inbox, InboxMessage};

/// Puts messages into the development inbox.
#[derive(Debug)]
pub struct InboxProvider {
    inbox: Inbox,
    clock: Arc<dyn Clock>,
}

impl InboxProvider {
    /// A provider over `inbox`.
    pub fn new(inbox: Inbox, clock: Arc<dyn Clock>) -> Self {
        Self { inbox, clock }
    }
}

fn away(error: &crate::short_memory::Unavailable) -> ProviderError {
    ProviderError::Transient { code: "inbox_unavailable".to_owned(), reason: error.to_string(), after: None }
}

impl Provider for InboxProvider {
    fn name(&self) -> &'static str {
        "log"
    }

    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<String, ProviderError>> {
        async move {
            let id = sms.id.to_string();
            let message = InboxMessage {
                id: id.clone(),
                channel: "sms".to_owned(),
                to: sms.to.clone(),
                text: sms.text.clone(),
                sent_at: self.clock.now(),
            };
            self.inbox.add(&message).await.map_err(|error| away(&error))?;
            Ok(id)
        }
        .boxed()
    }

    fn find<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Option<String>, ProviderError>> {
        async move {
            let messages = self.inbox.messages().await.map_err(|error| away(&error))?;
            Ok(messages.into_iter().map(|message| message.id).find(|id| *id == sms.id.to_string()))
        }
        .boxed()
    }
}
