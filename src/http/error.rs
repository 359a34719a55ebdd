//! What an endpoint answers when it cannot do what was asked.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use civiclens_actors::domain::code::{Code, Coded, FieldError};
use civiclens_actors::domain::limit::Budget;
use civiclens_actors::domain::phone::PhoneError;
use civiclens_actors::domain::secret::Secret;

use super::problem;

/// How long a client is asked to wait when nobody knows better.
const DEFAULT_RETRY: Duration = Duration::from_secs(5);

/// An error as the client sees it. Holds nothing internal: causes are logged where they are turned into this.
#[derive(Debug, Clone)]
pub struct ApiError {
    /// The stable code.
    pub code: Code,
    /// A sentence for a person. Where `fields` are at fault, their sentences stand for it.
    pub detail: String,
    /// The fields at fault.
    pub fields: Vec<FieldError>,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// What is left of the limit that was asked for.
    pub budget: Option<Budget>,
    /// The methods there are, for a 405.
    pub allow: Option<&'static str>,
    /// What a sign-in goes on with that is not complete.
    pub next_step: Option<Box<NextStep>>,
}

/// What a sign-in goes on with that is not complete: members of its problem document.
#[derive(Debug, Clone)]
pub struct NextStep {
    /// Proves the steps so far; opens nothing but the next.
    pub mfa_token: Secret,
    /// What the next step may be, or which second factors may be set up.
    pub methods: Vec<&'static str>,
    /// How long the token lives.
    pub expires_in: Duration,
}

impl ApiError {
    /// An error with the code's own title as its detail.
    pub fn new(code: Code) -> Self {
        Self::with_detail(code, code.title())
    }

    /// An error with a sentence of its own.
    pub fn with_detail(code: Code, detail: impl Into<String>) -> Self {
        let waits = matches!(code.status(), 429 | 503);
        Self {
            code,
            detail: detail.into(),
            fields: Vec::new(),
            retry_after: waits.then_some(DEFAULT_RETRY),
            budget: None,
            allow: None,
            next_step: None,
        }
    }

    /// A 422 about one field. `message` never repeats the value.
    pub fn invalid(field: &str, code: &str, message: impl Into<String>) -> Self {
        let field = FieldError { field: field.to_owned(), code: code.to_owned(), message: message.into() };
        Self { fields: vec![field], ..Self::with_detail(Code::Invalid, "A value in the request is not acceptable.") }
    }

    /// A 422 about the phone in `field`.
    pub fn phone(field: &str, error: PhoneError) -> Self {
        Self::invalid(field, error.code(), error.to_string())
    }

    /// A 422 about fields.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        Self { fields, ..Self::with_detail(Code::Invalid, "A value in the request is not acceptable.") }
    }

    /// A 500 whose cause is logged here.
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(cause = %Causes(error), "a request failed inside");
        Self::new(Code::Internal)
    }

    /// Adds what is left of a limit.
    pub fn budget(self, budget: Option<Budget>) -> Self {
        Self { budget, ..self }
    }

    /// The status that goes with the code.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl<E: Coded> From<E> for ApiError {
    fn from(error: E) -> Self {
        let code = error.code();
        match code.status() {
            // A dependency that is away or a queue that is full is reported by its own metrics and checks as well.
            503 => tracing::warn!(code = code.as_str(), cause = %Causes(&error), "a request cannot be served now"),
            500.. => tracing::error!(code = code.as_str(), cause = %Causes(&error), "a request failed inside"),
            _ => {}
        }
        let plain = Self::with_detail(code, error.detail());
        let retry_after = error.retry_after().or(plain.retry_after);
        Self { fields: error.fields(), retry_after, budget: error.budget(), ..plain }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status()
    }

    fn error_response(&self) -> HttpResponse {
        problem::response(self, None)
    }
}

/// Prints an error with all its causes in one line.
struct Causes<'a>(&'a dyn std::error::Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(out, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
