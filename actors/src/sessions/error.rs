//! Why a session was not opened, not refreshed, not ended, or not recognised.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded};
use crate::domain::entropy::Exhausted;
use crate::domain::limit::Budget;
use crate::domain::second_step::Method;
use crate::domain::token::TokenError;
use crate::short_memory::Unavailable;
use crate::supervision::AskError;
use crate::{audit, store};

/// A failure of sessions.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No valid token, or one of an ended session.
    #[error("not authenticated")]
    Unauthenticated,
    /// The last proof of who is asking is too old for this.
    #[error("a more recent proof is needed")]
    StepUpRequired {
        /// The second factor in force, which is then the proof that is needed.
        factor: Option<Method>,
    },
    /// The refresh token is wrong, too old, used, or its session has ended.
    #[error("the refresh token is not valid")]
    RefreshTokenInvalid,
    /// The second factor that was to complete the login was spent before.
    #[error("the second factor was spent before")]
    FactorSpent,
    /// A session was opened with the same proof before, and it opens one.
    #[error("the proof opened a session before")]
    ProofUsed,
    /// What was proven is of an earlier token epoch: the password or the role was changed meanwhile.
    #[error("what was proven is out of date")]
    Outdated,
    /// The revocation view or the signing keys are not loaded yet.
    #[error("the revocation view or the signing keys are not loaded yet")]
    NotReady,
    /// The session was refreshed too often.
    #[error("the session was refreshed too often")]
    Limited(Budget),
    /// The refusal could not be recorded.
    #[error(transparent)]
    Audit(#[from] audit::Error),
    /// The account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// The password was chosen by somebody else, and works no longer.
    #[error("the temporary password has expired")]
    PasswordExpired,
    /// No such session of this user.
    #[error("no such session")]
    NoSuchSession,
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The database did not answer to the commit: the work may be done or not.
    #[error("it is not known whether the work was done")]
    Unclear(#[source] store::Error),
    /// Redis.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
    /// More is waiting than may wait.
    #[error(transparent)]
    Overloaded(AskError),
    /// The token could not be signed.
    #[error(transparent)]
    Token(TokenError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// An event could not be written.
    #[error("an event could not be written")]
    Json(#[from] serde_json::Error),
}

impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        Self::Overloaded(error)
    }
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid => Self::Unauthenticated,
            TokenError::NotLoaded => Self::NotReady,
            TokenError::NoKey | TokenError::Signing(_) => Self::Token(error),
        }
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::Unauthenticated | Self::Outdated | Self::ProofUsed => Code::Unauthenticated,
            Self::StepUpRequired { .. } => Code::StepUpRequired,
            Self::RefreshTokenInvalid => Code::RefreshTokenInvalid,
            Self::FactorSpent => Code::SecondFactorInvalid,
            Self::Suspended => Code::AccountSuspended,
            Self::PasswordExpired => Code::PasswordExpired,
            Self::NoSuchSession => Code::NotFound,
            Self::Limited(_) => Code::RateLimited,
            Self::Audit(error) => error.code(),
            Self::Store(error) | Self::Unclear(error) => store_code(error),
            Self::NotReady | Self::ShortMemory(_) => Code::DependencyUnavailable,
            Self::Overloaded(_) => Code::Overloaded,
            Self::Token(_) | Self::Entropy(_) | Self::Json(_) => Code::Internal,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::StepUpRequired { factor: None } => {
                "Confirm that it is you: send your password to POST /api/v1/auth/step-up, or sign in again. Then repeat this."
            }
            Self::StepUpRequired { factor: Some(_) } => {
                "Confirm that it is you: send a code of your second factor to POST /api/v1/auth/step-up, or sign in again. \
                 Then repeat this."
            }
            Self::RefreshTokenInvalid => "The refresh token is wrong, expired or used. Sign in again.",
            Self::PasswordExpired => "This temporary password has expired. Ask an administrator for a new invitation.",
            Self::Limited(_) => "This session was refreshed too often. Wait before you refresh it again.",
            _ => self.code().title(),
        }
        .to_owned()
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Limited(budget) => Some(*budget),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.code().status() {
            429 => self.budget().map(|budget| budget.reset),
            503 if matches!(self, Self::Overloaded(_)) => Some(Duration::from_secs(1)),
            503 => Some(Duration::from_secs(5)),
            _ => None,
        }
    }
}
