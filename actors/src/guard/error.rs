//! Why an attempt was not admitted, or its outcome not noted.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded};
use crate::domain::limit::Budget;
use crate::limits::Refused;
use crate::short_memory::Unavailable;
use crate::{events, store};

/// A failure of the guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account is locked, or a limit was reached.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// Redis.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// An event could not be made.
    #[error(transparent)]
    Events(#[from] events::Error),
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::Refused(Refused::Locked(_)) => Code::AccountLocked,
            Self::Refused(Refused::Limited(_) | Refused::AddressLimited(_)) => Code::RateLimited,
            Self::Refused(Refused::ShortMemory(_)) | Self::ShortMemory(_) => Code::DependencyUnavailable,
            Self::Store(error) => store_code(error),
            Self::Refused(Refused::NoId) | Self::Events(_) => Code::Internal,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Refused(Refused::Locked(_)) => "Too many failed logins. Wait before you try again.",
            Self::Refused(Refused::Limited(_) | Refused::AddressLimited(_)) => {
                "Too many failed logins. Wait a little before you try again."
            }
            _ => self.code().title(),
        }
        .to_owned()
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Refused(Refused::Locked(budget) | Refused::Limited(budget) | Refused::AddressLimited(budget)) => {
                Some(*budget)
            }
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let busy = || (self.code().status() == 503).then(|| Duration::from_secs(5));
        self.budget().map(|budget| budget.reset).or_else(busy)
    }
}
