//! Why a sign-in failed.

use std::time::Duration;

use crate::domain::code::{Code, Coded, FieldError};
use crate::{accounts, audit, otp, sessions};

/// A failure of signing in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The code.
    #[error(transparent)]
    Otp(#[from] otp::Error),
    /// The session.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// The account.
    #[error(transparent)]
    Accounts(#[from] accounts::Error),
    /// The audit log: a failure that cannot be recorded is not answered as if it were.
    #[error(transparent)]
    Audit(#[from] audit::Error),
}

impl Error {
    fn inner(&self) -> &dyn Coded {
        match self {
            Self::Otp(error) => error,
            Self::Sessions(error) => error,
            Self::Accounts(error) => error,
            Self::Audit(error) => error,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        self.inner().code()
    }

    fn detail(&self) -> String {
        self.inner().detail()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.inner().retry_after()
    }

    fn fields(&self) -> Vec<FieldError> {
        self.inner().fields()
    }
}
