//! The `log` provider: nothing leaves; the message is in the development inbox. Refused outside development.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Provider, Sms};
use crate::domain::clock::Clock;
use crate::notifications::ProviderError;
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
                subject: None,
                text: sms.text.clone(),
                html: None,
                sent_at: self.clock.now(),
            };
            self.inbox.add(&message).await?;
            Ok(id)
        }
        .boxed()
    }

    fn find<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Option<String>, ProviderError>> {
        async move {
            let id = sms.id.to_string();
            Ok(self.inbox.has(&id).await?.then_some(id))
        }
        .boxed()
    }
}
