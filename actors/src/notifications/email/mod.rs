//! E-mail: the provider seam and the delivery of jobs.

mod deliver;
mod inbox_provider;
mod message;
mod smtp;

use std::fmt::Debug;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;
use lettre::Address;
use lettre::message::Mailbox;
use uuid::Uuid;

use super::ProviderError;
use super::templates::Letter;
use crate::domain::contact;

pub use self::deliver::{Delivery, Parts};
pub use self::inbox_provider::InboxProvider;
pub use self::smtp::{BadServer, Smtp, SmtpConfig};

/// A message for a provider.
#[derive(Clone)]
pub struct Email {
    /// The job.
    pub id: Uuid,
    /// The receiver: one address, read by a parser and never put together from text.
    pub to: Address,
    /// What it says.
    pub letter: Letter,
    /// When the job came to be.
    pub created_at: DateTime<Utc>,
}

impl Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the address nor the text, which may hold a token.
        write!(f, "Email({})", self.id)
    }
}

/// Carries e-mail. None of them can tell what it had, so a message whose answer was lost is sent again, the same to the
/// last byte, and mail servers recognise it by its `Message-ID`.
pub trait Provider: Send + Sync + Debug {
    /// Its name in configuration, metrics and logs.
    fn name(&self) -> &'static str;

    /// Hands a message over. Answers the provider's id for it.
    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<String, ProviderError>>;
}

/// Whom messages come from.
#[derive(Clone, Debug)]
pub struct Sender(Mailbox);

/// A text that names no sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a sender such as \"CivicLens <no-reply@civiclens.example>\"")]
pub struct BadSender;

impl FromStr for Sender {
    type Err = BadSender;

    fn from_str(text: &str) -> Result<Self, BadSender> {
        let Mailbox { name, email } = text.parse().map_err(|_| BadSender)?;
        let email = contact::address(email.as_ref()).ok_or(BadSender)?;
        let name = name.map(|name| contact::full_name("from", &name).map_err(|_| BadSender)).transpose()?;
        Ok(Self(Mailbox::new(name, email)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_is_one_that_mail_can_come_from() {
        let sender = |text: &str| text.parse::<Sender>().ok().map(|Sender(mailbox)| mailbox.to_string());
        let plain = "CivicLens <no-reply@civiclens.example>";
        assert_eq!(sender(plain).as_deref(), Some(plain));
        assert_eq!(sender("no-reply@Civiclens.example").as_deref(), Some("no-reply@Civiclens.example"));
        for text in [
            "",
            "CivicLens",
            "CivicLens <no-reply@localhost>",
            "CivicLens <no-reply@[127.0.0.1]>",
            "CivicLens <\"a,b\"@civiclens.example>",
            "CivicLens <no-reply@civic_lens.example>",
        ] {
            assert_eq!(sender(text), None, "{text}");
        }
    }
}
