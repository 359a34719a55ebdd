//! The `log` provider: nothing leaves; the message is in the development inbox. Refused outside development.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Email, Provider};
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

    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<String, ProviderError>> {
        async move {
            let id = email.id.to_string();
            if !self.inbox.has(&id).await? {
                let message = InboxMessage {
                    id: id.clone(),
                    channel: "email".to_owned(),
                    to: email.to.to_string(),
                    subject: Some(email.letter.subject.clone()),
                    text: email.letter.text.clone(),
                    html: Some(email.letter.html.clone()),
                    sent_at: self.clock.now(),
                };
                self.inbox.add(&message).await?;
            }
            Ok(id)
        }
        .boxed()
    }
}
