//! Why an administrator's act was not done.

use std::time::Duration;

use crate::accounts::error::store_code;
use crate::domain::code::{Code, Coded, FieldError};
use crate::domain::entropy::Exhausted;
use crate::domain::keys::SealError;
use crate::short_memory::Unavailable;
use crate::{events, passwords, sessions, store};

/// A failure of administration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user.
    #[error("there is no such user")]
    UnknownUser,
    /// There is no such department.
    #[error("there is no such department")]
    UnknownDepartment,
    /// The role is none of an officer, administrator or auditor.
    #[error("this role is not created here")]
    NotAnOfficer,
    /// This field's value belongs to another account.
    #[error("{0} belongs to another account")]
    Taken(&'static str),
    /// There is nothing to invite them to: they are suspended, or their role enters without a password.
    #[error("this user is not to be invited")]
    NotToBeInvited,
    /// They have chosen a password already.
    #[error("this user has a password")]
    HasPassword,
    /// Sessions.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// A token could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// A job could not be written.
    #[error("a job could not be written")]
    Json(#[from] serde_json::Error),
    /// The password.
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

impl Coded for Error {
    fn code(&self) -> Code {
        match self {
            Self::UnknownUser => Code::NotFound,
            Self::UnknownDepartment | Self::NotAnOfficer => Code::Invalid,
            Self::Taken(_) | Self::NotToBeInvited | Self::HasPassword => Code::Conflict,
            Self::Sessions(error) => error.code(),
            Self::Passwords(error) => error.code(),
            Self::ShortMemory(_) => Code::DependencyUnavailable,
            Self::Store(error) => store_code(error),
            Self::Events(_) | Self::Seal(_) | Self::Entropy(_) | Self::Json(_) => Code::Internal,
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Taken(field) => format!("The {} belongs to another account.", field.replace('_', " ")),
            Self::NotToBeInvited => "Only active officers, administrators and auditors are invited.".to_owned(),
            Self::HasPassword => "This person has chosen a password already.".to_owned(),
            Self::Passwords(error) => error.detail(),
            Self::Sessions(error) => error.detail(),
            Self::UnknownDepartment | Self::NotAnOfficer => "A value in the request is not acceptable.".to_owned(),
            _ => self.code().title().to_owned(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Passwords(error) => error.retry_after(),
            Self::Sessions(error) => error.retry_after(),
            _ => (self.code().status() == 503).then(|| Duration::from_secs(5)),
        }
    }

    fn fields(&self) -> Vec<FieldError> {
        let fault = |field: &str, code: &str, message: &str| {
            let (field, code, message) = (field.to_owned(), code.to_owned(), message.to_owned());
            vec![FieldError { field, code, message }]
        };
        match self {
            Self::UnknownDepartment => fault("department_id", "unknown", "There is no such department."),
            Self::NotAnOfficer => fault("role", "not_an_officer", "This must be nodal_officer, admin or auditor."),
            Self::Passwords(error) => error.fields(),
            _ => Vec::new(),
        }
    }
}
