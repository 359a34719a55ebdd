//! Why a sign-in failed.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::entropy::Exhausted;
use crate::domain::limit::Budget;
use crate::limits::Refused;
use crate::short_memory::Unavailable;
use crate::{credentials, guard, otp, passwords, sessions, store, two_factor};

/// A failure of signing in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Phone and password do not belong together, or there is no such account; with what is left of the limit.
    #[error("the phone or the password is wrong")]
    CredentialsInvalid(Budget),
    /// The account does not belong at this portal.
    #[error("the account does not belong at this portal")]
    WrongPortal,
    /// The second step's token is wrong, expired or used.
    #[error("the token of the second step is not valid")]
    MfaTokenInvalid,
    /// The second step cannot be done this way.
    #[error("this second step was not offered")]
    MethodNotOffered,
    /// The code.
    #[error(transparent)]
    Otp(#[from] otp::Error),
    /// The password.
    #[error(transparent)]
    Passwords(#[from] passwords::Error),
    /// The first password.
    #[error(transparent)]
    Credentials(#[from] credentials::Error),
    /// The session.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// The second factor.
    #[error(transparent)]
    TwoFactor(#[from] two_factor::Error),
    /// The guard.
    #[error(transparent)]
    Guard(#[from] guard::Error),
    /// Redis.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// What waits could not be written.
    #[error("what waits could not be written")]
    Json(#[from] serde_json::Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Guard(refused.into())
    }
}

impl Error {
    fn inner(&self) -> Option<&dyn Coded> {
        match self {
            Self::Otp(error) => Some(error),
            Self::Passwords(error) => Some(error),
            Self::Credentials(error) => Some(error),
            Self::Sessions(error) => Some(error),
            Self::TwoFactor(error) => Some(error),
            Self::Guard(error) => Some(error),
            _ => None,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::CredentialsInvalid(_) => Code::CredentialsInvalid,
            Self::WrongPortal => Code::WrongPortal,
            Self::MfaTokenInvalid => Code::MfaTokenInvalid,
            Self::MethodNotOffered => Code::Invalid,
            // In a sign-in there is no session yet: a wrong code is what a wrong password is.
            Self::TwoFactor(two_factor::Error::CodeInvalid | two_factor::Error::Off) => Code::SecondFactorInvalid,
            Self::ShortMemory(_) => Code::DependencyUnavailable,
            Self::Store(error) => store_code(error),
            Self::Entropy(_) | Self::Json(_) => Code::Internal,
            Self::Otp(_)
            | Self::Passwords(_)
            | Self::Credentials(_)
            | Self::Sessions(_)
            | Self::TwoFactor(_)
            | Self::Guard(_) => self.inner().map_or(Code::Internal, Coded::code),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::MethodNotOffered => "A value in the request is not acceptable.".to_owned(),
            Self::WrongPortal => {
                "This account has no officer's role. Please use the Citizen Portal to sign in.".to_owned()
            }
            _ => self.inner().map_or_else(|| self.code().title().to_owned(), Coded::detail),
        }
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::CredentialsInvalid(budget) => Some(*budget),
            Self::Otp(error) => error.budget(),
            Self::Credentials(error) => error.budget(),
            Self::TwoFactor(error) => error.budget(),
            Self::Guard(error) => error.budget(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.inner() {
            Some(inner) => inner.retry_after(),
            None => (self.code().status() == 503).then(|| Duration::from_secs(5)),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::MethodNotOffered => vec![FieldError {
                field: "method".to_owned(),
                code: "method_not_offered".to_owned(),
                message: "This method was not offered for this step.".to_owned(),
            }],
            Self::TwoFactor(two_factor::Error::CodeInvalid | two_factor::Error::Off) => Vec::new(),
            _ => self.inner().map_or_else(Vec::new, Coded::fields),
        }
    }
}
