//! Why an attempt was not admitted, or its outcome not noted.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::limit::Budget;
use crate::limits::Refused;
use crate::short_memory::Unavailable;
use crate::{events, passwords, store};

/// A failure of the guard.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account is locked, or a limit was reached.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The password is another one; with what is left of the limit.
    #[error("the password is wrong")]
    PasswordWrong(Budget),
    /// The hashing pool.
    #[error(transparent)]
    Passwords(#[from] passwords::Error),
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

/// What somebody who holds a session is told of a wrong password.
const PASSWORD_WRONG: &str = "The password is wrong.";

/// The fault of a password that was given in `field`.
pub(crate) fn password_wrong(field: &str) -> FieldError {
    FieldError::new(field, Code::PasswordWrong.as_str(), PASSWORD_WRONG)
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::PasswordWrong(_) => Code::PasswordWrong,
            Self::Passwords(error) => error.code(),
            Self::Refused(Refused::Locked(_)) => Code::AccountLocked,
            Self::Refused(Refused::Limited(_) | Refused::AddressLimited(_) | Refused::TooMany(_)) => Code::RateLimited,
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
            Self::PasswordWrong(_) => PASSWORD_WRONG,
            Self::Refused(Refused::TooMany(_)) => "Too many logins. Wait a while before you try again.",
            _ => self.code().title(),
        }
        .to_owned()
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::PasswordWrong(_) => vec![password_wrong("password")],
            _ => Vec::new(),
        }
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Refused(
                Refused::Locked(budget)
                | Refused::Limited(budget)
                | Refused::AddressLimited(budget)
                | Refused::TooMany(budget),
            )
            | Self::PasswordWrong(budget) => Some(*budget),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::PasswordWrong(_) => None,
            Self::Passwords(error) => error.retry_after(),
            _ => {
                let away = || (self.code().status() == 503).then(|| Duration::from_secs(5));
                self.budget().map(|budget| budget.reset).or_else(away)
            }
        }
    }
}
