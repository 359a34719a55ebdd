//! Why a code was not issued or not accepted.

use std::time::Duration;

use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::entropy::Exhausted;
use crate::domain::keys::SealError;
use crate::domain::limit::Budget;
use crate::domain::phone::PhoneError;
use crate::short_memory::Unavailable;
use crate::supervision::AskError;

/// A failure of one-time codes.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The phone's country gets no codes.
    #[error(transparent)]
    Phone(#[from] PhoneError),
    /// A budget is spent.
    #[error("too many codes were requested")]
    Limited(Budget),
    /// Too many wrong codes came from one address.
    #[error("too many wrong codes from one address")]
    AddressLimited(Budget),
    /// Wrong, expired, spent, exhausted, or never issued: all alike.
    #[error("the code is not valid")]
    Invalid {
        /// Whether a live code was guessed wrongly, which counts against the account.
        guessed: bool,
        /// How long the lock holds that this guess began, if it began one.
        lock: Option<Duration>,
    },
    /// Too many wrong guesses for this account.
    #[error("too many wrong codes")]
    Locked(Duration),
    /// Too many codes that were asked for from there were not entered.
    #[error("too many codes were not entered")]
    Unanswered(Duration),
    /// Too few codes of this block of numbers are being entered.
    #[error("sending codes is paused")]
    Paused(Duration),
    /// Redis is away.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
    /// The code was stored but could be neither published nor put into the outbox.
    #[error("the message could not be handed over")]
    NotHandedOver(#[source] crate::store::Error),
    /// More is waiting than may wait.
    #[error(transparent)]
    Overloaded(AskError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// The code could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The job could not be written.
    #[error("the job could not be written")]
    Json(#[from] serde_json::Error),
}

impl From<AskError> for Error {
    fn from(error: AskError) -> Self {
        Self::Overloaded(error)
    }
}

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::Phone(_) => Code::Invalid,
            Self::Limited(_) | Self::AddressLimited(_) | Self::Unanswered(_) => Code::RateLimited,
            Self::Invalid { .. } => Code::OtpInvalid,
            Self::Locked(_) => Code::OtpAttemptsExceeded,
            Self::Paused(_) => Code::OtpSendingPaused,
            Self::ShortMemory(_) | Self::NotHandedOver(_) => Code::DependencyUnavailable,
            Self::Overloaded(_) => Code::Overloaded,
            Self::Entropy(_) | Self::Seal(_) | Self::Json(_) => Code::Internal,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Phone(PhoneError::NoSms) => "Codes are sent to mobile numbers only.",
            Self::Phone(_) => "Codes are not sent to numbers of this country.",
            Self::Limited(_) => "Too many codes were requested. Wait before you ask for another.",
            Self::AddressLimited(_) => "Too many wrong codes were entered. Wait a little before you try again.",
            Self::Invalid { .. } => "The code is wrong or no longer valid.",
            Self::Locked(_) => "Too many wrong codes were entered for this number. Wait before you try again.",
            Self::Unanswered(_) => "Too many codes asked for from your network were not entered. Try again later.",
            Self::Paused(_) => "Codes cannot be sent to this number at the moment.",
            Self::Overloaded(_) => "The service is busy. Try again in a moment.",
            _ => self.code().title(),
        }
        .to_owned()
    }

    fn budget(&self) -> Option<Budget> {
        match self {
            Self::Limited(budget) | Self::AddressLimited(budget) => Some(*budget),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Limited(budget) | Self::AddressLimited(budget) => Some(budget.reset),
            Self::Locked(left) | Self::Paused(left) | Self::Unanswered(left) => Some(*left),
            Self::Overloaded(_) => Some(Duration::from_secs(1)),
            Self::ShortMemory(_) | Self::NotHandedOver(_) => Some(Duration::from_secs(5)),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        match self {
            Self::Phone(error) => vec![FieldError {
                field: "phone".to_owned(),
                code: error.code().to_owned(),
                message: error.to_string(),
            }],
            _ => Vec::new(),
        }
    }
}
