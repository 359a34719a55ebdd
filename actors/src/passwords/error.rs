//! Why a password was not hashed, verified or accepted.

use std::time::Duration;

use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::limit::Budget;
use crate::domain::password::{Fault, HashError};
use crate::supervision::AskError;

/// A failure of passwords.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// More is waiting than may wait.
    #[error("too many passwords are waiting")]
    Busy,
    /// No thread was free in time.
    #[error("no thread was free in time")]
    Late,
    /// The threads are gone: the process is stopping.
    #[error("the threads are gone")]
    Gone,
    /// Too many passwords were judged for the address.
    #[error("too many passwords were judged for one address")]
    Limited(Budget),
    /// The password breaks the policy.
    #[error("the password is not acceptable")]
    Unacceptable {
        /// The field of the request that it came in.
        field: &'static str,
        /// Everything that is wrong with it.
        faults: Vec<Fault>,
    },
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The work panicked.
    #[error("the work on a password panicked")]
    Panicked,
}

impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        match error {
            AskError::Overloaded => Self::Busy,
            AskError::Late => Self::Late,
            AskError::Gone => Self::Gone,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::Busy | Self::Late | Self::Gone => Code::Overloaded,
            Self::Limited(_) => Code::RateLimited,
            Self::Unacceptable { .. } => Code::Invalid,
            Self::Hash(_) | Self::Panicked => Code::Internal,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Busy | Self::Late | Self::Gone => "The service is busy. Try again in a moment.",
            Self::Limited(_) => "Too many passwords were tried. Wait a little before you try again.",
            Self::Unacceptable { .. } => "The password is not acceptable.",
            Self::Hash(_) | Self::Panicked => self.code().title(),
        }
        .to_owned()
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited(budget) => Some(budget.reset),
            _ => (self.code() == Code::Overloaded).then(|| Duration::from_secs(1)),
        }
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Limited(budget) => Some(*budget),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Unacceptable { field, faults } => faults.iter().map(|fault| fault.of_field(field)).collect(),
            _ => Vec::new(),
        }
    }
}
