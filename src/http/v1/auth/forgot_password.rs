//! `POST /api/v1/auth/forgot-password`, also `/auth/request-password-reset`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::credentials::{RESET_LIFETIME, Recipient};
use civiclens_actors::domain::contact;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::verify_otp::phone;
use crate::http::browser::DeviceBody;
use crate::http::problem::{Problem, put_budget, whole_seconds};
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// Whose password was forgotten: a phone or an e-mail.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct ForgotPassword {
    /// The phone; a code goes there.
    #[serde(default)]
    #[schema(example = "+919876543210", max_length = 32)]
    phone: Option<String>,
    /// The e-mail; a link goes there.
    #[serde(default)]
    #[schema(example = "asha@example.org", max_length = 254)]
    email: Option<String>,
    /// The device that asks. A known one has budgets of its own.
    #[serde(default)]
    device: Option<DeviceBody>,
}

/// A reset was asked for. Says the same whether or not there is such an account.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ResetRequested {
    /// A sentence for a person.
    message: &'static str,
    /// Minutes until the code or link expires.
    #[schema(example = 15, minimum = 1)]
    expires_in_minutes: u64,
}

impl ForgotPassword {
    fn recipient(self) -> Result<Recipient, ApiError> {
        match (self.phone, self.email) {
            (Some(number), None) => Ok(Recipient::Phone(phone(&number)?)),
            (None, Some(email)) => {
                let email = contact::email("email", &email).map_err(|fault| ApiError::fields(vec![fault]))?;
                Ok(Recipient::Email(email))
            }
            _ => Err(ApiError::invalid("phone", "one_of", "Give a phone or an e-mail, and not both.")),
        }
    }
}

/// Sends what it takes to set a new password, if there is such an account.
///
/// The answer is the same, and takes as long, whether or not there is one.
#[utoipa::path(post, path = "/api/v1/auth/forgot-password", operation_id = "forgot_password", tag = "auth",
               request_body = ForgotPassword,
               responses((status = 200, body = ResetRequested,
                          headers(("RateLimit-Limit" = u32), ("RateLimit-Remaining" = u32), ("RateLimit-Reset" = u64))),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    caller: Caller,
    body: ValidJson<ForgotPassword>,
) -> Result<HttpResponse, ApiError> {
    let mut body = body.0;
    let client = caller.described(&state, &request, body.device.take())?;
    let budget = state.credentials.forgot(body.recipient()?, &client).await?;
    let mut response = HttpResponse::Ok().json(ResetRequested {
        message: "If there is such an account, a message is on its way.",
        expires_in_minutes: whole_seconds(RESET_LIFETIME).div_ceil(60),
    });
    put_budget(&mut response, budget);
    Ok(response)
}
