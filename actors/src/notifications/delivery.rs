//! What the deliveries of all channels have in common: a job that is no longer wanted, its secret, its language, and what
//! a provider's answer means for it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::consume::Failure;
use uuid::Uuid;

use super::sealing_place;
use super::templates::BadFilling;
use crate::domain::keys::Sealer;
use crate::domain::language::Language;
use crate::domain::secret::Secret;

/// Why a provider did not take a message.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// It may take it later.
    #[error("{code}: {reason}")]
    Transient {
        /// The provider's code, or a name for what happened.
        code: String,
        /// What it said.
        reason: String,
        /// When it wants to be asked again.
        after: Option<Duration>,
    },
    /// It never will.
    #[error("{code}: {reason}")]
    Permanent {
        /// The provider's code.
        code: String,
        /// What it said.
        reason: String,
    },
    /// It may have taken it: the connection broke or timed out after the message was on its way.
    #[error("no answer: {reason}")]
    Unknown {
        /// What broke.
        reason: String,
    },
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Transient { code, reason, after } => {
                Self::Retry { reason: format!("{code}: {reason}"), after }
            }
            ProviderError::Unknown { reason } => Self::Retry { reason, after: None },
            ProviderError::Permanent { code, reason } => Self::Dead { code, reason },
        }
    }
}

impl From<BadFilling> for Failure {
    fn from(error: BadFilling) -> Self {
        dead("bad_job", error.to_string())
    }
}

pub(super) fn dead(code: &str, reason: String) -> Failure {
    Failure::Dead { code: code.to_owned(), reason }
}

pub(super) fn unknown_template(name: &str) -> Failure {
    dead("unknown_template", format!("no template is called {name:?}"))
}

/// Lets go of a job that comes too late.
pub(super) fn check_expiry(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<(), Failure> {
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Failure::Drop { reason: "the message expired before it could be sent".to_owned() });
    }
    Ok(())
}

/// Opens the secret of a job, if it has one.
pub(super) fn open(
    sealer: &Sealer,
    job: Uuid,
    receiver: &str,
    secret: Option<&str>,
) -> Result<Option<Secret>, Failure> {
    let open = |secret| sealer.open(&sealing_place(job, receiver), secret);
    secret.map(open).transpose().map_err(|error| dead("cannot_open", error.to_string()))
}

/// The language the person chose; else the one the job asks for; else the default.
pub(super) fn language(chosen: Option<Language>, asked: Option<&str>) -> Language {
    chosen.or_else(|| asked.and_then(Language::parse)).unwrap_or_default()
}
