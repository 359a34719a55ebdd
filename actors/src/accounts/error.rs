//! What can go wrong with an account.

use crate::domain::code::{Code, Coded};
use crate::store;

/// A failure of accounts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The phone, the e-mail or the employee id belongs to an account already.
    #[error("there is an account with this phone, e-mail or employee id already")]
    AlreadyThere,
    /// The database.
    #[error(transparent)]
    Store(store::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Refused { constraint, .. } if constraint.ends_with("_key") => Self::AlreadyThere,
            other => Self::Store(other),
        }
    }
}

/// The code of a failure of the store.
pub(crate) fn store_code(error: &store::Error) -> Code {
    match error {
        store::Error::Unavailable(_) => Code::DependencyUnavailable,
        _ => Code::Internal,
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::UnknownUser => Code::NotFound,
            Self::AlreadyThere => Code::Conflict,
            Self::Store(error) => store_code(error),
        }
    }
}
