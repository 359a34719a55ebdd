//! SMS: the provider seam and the delivery of jobs.

mod deliver;
mod inbox_provider;
mod twilio;

use std::fmt::Debug;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use uuid::Uuid;

use super::ProviderError;

pub use self::deliver::{Delivery, Parts};
pub use self::inbox_provider::InboxProvider;
pub use self::twilio::{Twilio, TwilioConfig};

/// A message for a provider.
#[derive(Clone)]
pub struct Sms {
    /// The job.
    pub id: Uuid,
    /// The receiver, E.164.
    pub to: String,
    /// The text.
    pub text: String,
    /// When the job came to be.
    pub created_at: DateTime<Utc>,
    /// After this moment the text is of no use.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Debug for Sms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the number nor the text, which holds the code.
        write!(f, "Sms({})", self.id)
    }
}

/// A company that delivers SMS.
pub trait Provider: Send + Sync + Debug {
    /// Its name in configuration, metrics and logs.
    fn name(&self) -> &'static str;

    /// Hands a message over. Answers the provider's id for it.
    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<String, ProviderError>>;

    /// Looks for a message handed over earlier, whose answer was lost. Answers its id if the provider has it. A provider
    /// whose protocol cannot tell answers `None`.
    fn find<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Option<String>, ProviderError>>;
}
