//! Why a second factor was not set up, accepted or turned off.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::entropy::Exhausted;
use crate::domain::keys::SealError;
use crate::domain::limit::Budget;
use crate::domain::totp::TotpError;
use crate::limits::Refused;
use crate::{audit, events, guard, otp, sessions, store};

/// A failure of the second factor.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The code is wrong, or was used before.
    #[error("the code is not valid")]
    CodeInvalid,
    /// The authenticator failed too often in a row, and is off.
    #[error("the authenticator is off")]
    Off,
    /// What was entered has the form of no code.
    #[error("this is no code")]
    NotACode,
    /// A backup code that was made after the session was opened proves nothing to that session.
    #[error("the backup code is younger than the session")]
    BackupCodeTooNew,
    /// A code of this kind does not belong to the second factor in force.
    #[error("this method is not that of the second factor in force")]
    MethodNotInForce,
    /// This role must have a second factor.
    #[error("the second factor is enforced")]
    Enforced,
    /// Second factors are switched off.
    #[error("second factors are switched off")]
    SwitchedOff,
    /// Codes by SMS are a second factor for a password, and there is none.
    #[error("a password is needed first")]
    PasswordNeeded,
    /// There is no second factor.
    #[error("there is no second factor")]
    NotEnrolled,
    /// Nothing is being set up, or it took too long.
    #[error("nothing is being set up")]
    NothingToConfirm,
    /// Codes by SMS.
    #[error(transparent)]
    Otp(#[from] otp::Error),
    /// Sessions.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// The guard.
    #[error(transparent)]
    Guard(#[from] guard::Error),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A refusal could not be recorded.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// An event could not be made.
    #[error(transparent)]
    Events(#[from] events::Error),
    /// A secret could not be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A secret could not be used.
    #[error(transparent)]
    Totp(#[from] TotpError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
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
            Self::Sessions(error) => Some(error),
            Self::Guard(error) => Some(error),
            _ => None,
        }
    }
}

/// What somebody is told who entered something else than a code.
const NOT_A_CODE: &str = "A code is six digits, a backup code ten letters and digits.";
/// What somebody is told of a code that does not pass.
const CODE_INVALID: &str = "The code is wrong, expired, or was used before.";

/// What somebody is told whose authenticator is off.
const OFF: &str =
    "This was wrong too often and is off. Use a backup code, or ask an administrator to unlock the account.";

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::UnknownUser => Code::NotFound,
            Self::CodeInvalid | Self::Off | Self::BackupCodeTooNew => Code::SecondFactorWrong,
            Self::NotACode | Self::MethodNotInForce => Code::Invalid,
            Self::Enforced => Code::TwoFactorEnforced,
            Self::SwitchedOff => Code::TwoFactorDisabled,
            Self::PasswordNeeded | Self::NotEnrolled | Self::NothingToConfirm => Code::Conflict,
            Self::Store(error) => store_code(error),
            Self::Audit(error) => error.code(),
            Self::Events(_) | Self::Seal(_) | Self::Totp(_) | Self::Entropy(_) => Code::Internal,
            Self::Otp(_) | Self::Sessions(_) | Self::Guard(_) => self.inner().map_or(Code::Internal, Coded::code),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::CodeInvalid => CODE_INVALID.to_owned(),
            Self::Off => OFF.to_owned(),
            Self::NotACode => NOT_A_CODE.to_owned(),
            Self::BackupCodeTooNew => {
                "Backup codes made in this session do not count in it. Use a code of the second factor, or sign in again.".to_owned()
            }
            Self::MethodNotInForce => "The second factor in force is another one.".to_owned(),
            Self::Enforced => "Your role must have a second factor.".to_owned(),
            Self::PasswordNeeded => "Codes by SMS are a second factor for a password: set one first.".to_owned(),
            Self::NotEnrolled => "There is no second factor.".to_owned(),
            Self::NothingToConfirm => "Nothing is being set up, or it took too long: start again.".to_owned(),
            _ => self.inner().map_or_else(|| self.code().title().to_owned(), Coded::detail),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::NotACode => vec![FieldError::new("code", "code_malformed", self.detail())],
            Self::MethodNotInForce => vec![FieldError::new("method", "method_not_offered", self.detail())],
            Self::CodeInvalid | Self::Off | Self::BackupCodeTooNew => {
                vec![FieldError::new("code", self.code().as_str(), self.detail())]
            }
            _ => self.inner().map_or_else(Vec::new, Coded::fields),
        }
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Otp(error) => error.budget(),
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
}
