//! Why a password was not changed or reset.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::entropy::Exhausted;
use crate::domain::keys::SealError;
use crate::domain::limit::Budget;
use crate::limits::{self, Refused};
use crate::short_memory::Unavailable;
use crate::{audit, events, guard, otp, passwords, sessions, store};

/// A failure of changing or resetting a password.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// The password or the role was changed by another request, in this very moment.
    #[error("the account was changed meanwhile")]
    Outdated,
    /// The database did not answer to the commit: the work may be done or not.
    #[error("it is not known whether the work was done")]
    Unclear(#[source] store::Error),
    /// The old password is another one; with what is left of the limit.
    #[error("the old password is wrong")]
    OldPasswordWrong(Budget),
    /// What was entered has the form of no code. It is counted for nobody.
    #[error("this is no code")]
    NotACode,
    /// There is no password to change.
    #[error("there is no password to change")]
    NoPassword,
    /// The new password is the old one.
    #[error("the new password is the old one")]
    Unchanged,
    /// The reset's code or token is wrong, expired or used.
    #[error("the reset token is not valid")]
    TokenInvalid,
    /// The token of an invitation is wrong, expired or used.
    #[error("the invitation is not valid")]
    InvitationInvalid,
    /// Too many resets were asked for.
    #[error("too many resets were asked for")]
    Limited(Budget),
    /// Codes by SMS.
    #[error(transparent)]
    Otp(#[from] otp::Error),
    /// The hashing pool, or the rules of passwords.
    #[error(transparent)]
    Passwords(#[from] passwords::Error),
    /// Sessions.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// The guard.
    #[error(transparent)]
    Guard(#[from] guard::Error),
    /// Redis.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A refusal could not be recorded.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// An event could not be made.
    #[error(transparent)]
    Events(#[from] events::Error),
    /// A token could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// Something could not be written.
    #[error("something could not be written")]
    Json(#[from] serde_json::Error),
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Guard(refused.into())
    }
}

impl From<limits::Error> for Error {
    fn from(error: limits::Error) -> Self {
        match error {
            limits::Error::Reached(budget) => Self::Limited(budget),
            limits::Error::ShortMemory(error) => Self::ShortMemory(error),
        }
    }
}

impl Error {
    fn inner(&self) -> Option<&dyn Coded> {
        match self {
            Self::Otp(error) => Some(error),
            Self::Passwords(error) => Some(error),
            Self::Sessions(error) => Some(error),
            Self::Guard(error) => Some(error),
            _ => None,
        }
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::UnknownUser => Code::NotFound,
            Self::Outdated | Self::NoPassword => Code::Conflict,
            Self::Unchanged | Self::NotACode => Code::Invalid,
            Self::OldPasswordWrong(_) => Code::PasswordWrong,
            Self::TokenInvalid => Code::ResetTokenInvalid,
            Self::InvitationInvalid => Code::InvitationInvalid,
            Self::Limited(_) => Code::RateLimited,
            Self::ShortMemory(_) => Code::DependencyUnavailable,
            Self::Audit(error) => error.code(),
            Self::Store(error) | Self::Unclear(error) => store_code(error),
            Self::Events(_) | Self::Seal(_) | Self::Entropy(_) | Self::Json(_) => Code::Internal,
            Self::Otp(_) | Self::Passwords(_) | Self::Sessions(_) | Self::Guard(_) => {
                self.inner().map_or(Code::Internal, Coded::code)
            }
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Outdated => "The account was changed meanwhile. Sign in again.".to_owned(),
            Self::OldPasswordWrong(_) => "The old password is wrong.".to_owned(),
            Self::NoPassword => "No password is set. Set one by resetting it.".to_owned(),
            Self::Unchanged => "A value in the request is not acceptable.".to_owned(),
            Self::TokenInvalid => "The code or link is wrong, expired or used. Ask for another.".to_owned(),
            Self::InvitationInvalid => {
                "The invitation is wrong, expired or used. Ask an administrator for a new one.".to_owned()
            }
            Self::Limited(_) => "Too many resets were asked for. Wait before you ask for another.".to_owned(),
            _ => self.inner().map_or_else(|| self.code().title().to_owned(), Coded::detail),
        }
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Limited(budget) | Self::OldPasswordWrong(budget) => Some(*budget),
            Self::Otp(error) => error.budget(),
            Self::Guard(error) => error.budget(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match (self, self.inner()) {
            (Self::Limited(budget), _) => Some(budget.reset),
            (_, Some(inner)) => inner.retry_after(),
            (_, None) => (self.code().status() == 503).then(|| Duration::from_secs(5)),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Unchanged => vec![FieldError {
                field: "new_password".to_owned(),
                code: "password_unchanged".to_owned(),
                message: "The new password must differ from the old one.".to_owned(),
            }],
            Self::NotACode => vec![FieldError::new("reset_token", "otp_malformed", "A code is six digits.")],
            Self::OldPasswordWrong(_) => {
                vec![FieldError::new("old_password", self.code().as_str(), self.detail())]
            }
            _ => self.inner().map_or_else(Vec::new, Coded::fields),
        }
    }
}
