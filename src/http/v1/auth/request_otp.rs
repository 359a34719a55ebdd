//! `POST /api/v1/auth/request-otp`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::otp::Purpose;
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::otp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::browser::DeviceBody;
use crate::http::problem::{Problem, put_budget, whole_seconds};
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// Whose phone to send a code to.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct RequestOtp {
    /// The phone, in any common spelling; without a country code it is Indian.
    #[schema(example = "98765 43210", max_length = 32)]
    phone: String,
    /// The device that asks. A known one has budgets of its own.
    #[serde(default)]
    device: Option<DeviceBody>,
}

/// A code is on its way.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct OtpRequested {
    /// A sentence for a person.
    message: &'static str,
    /// Minutes until the code expires.
    #[schema(example = 5)]
    expires_in_minutes: u64,
    /// Seconds until another one may be asked for.
    #[schema(example = 30)]
    resend_after_seconds: u64,
    /// The code itself; only in development environments that ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    otp: Option<String>,
}

impl From<&otp::Requested> for OtpRequested {
    fn from(requested: &otp::Requested) -> Self {
        Self {
            message: "If this phone can receive messages, a code is on its way.",
            expires_in_minutes: whole_seconds(requested.expires_in).div_ceil(60),
            resend_after_seconds: whole_seconds(requested.resend_after),
            otp: requested.exposed_code.as_ref().map(|code| code.expose().to_owned()),
        }
    }
}

/// Sends a one-time code to a phone.
///
/// The answer is the same whether or not the phone has an account.
#[utoipa::path(post, path = "/api/v1/auth/request-otp", operation_id = "request_otp", tag = "auth",
               request_body = RequestOtp,
               responses((status = 200, body = OtpRequested,
                          headers(("RateLimit-Limit" = u32), ("RateLimit-Remaining" = u32), ("RateLimit-Reset" = u64))),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 413, body = Problem, content_type = "application/problem+json"),
                         (status = 415, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    caller: Caller,
    body: ValidJson<RequestOtp>,
) -> Result<HttpResponse, ApiError> {
    let RequestOtp { phone, device } = body.0;
    let client = caller.described(&state, &request, device)?;
    let phone = Phone::parse(&phone).map_err(|error| ApiError::phone("phone", error))?;
    let requested = state.otp.request(phone, Purpose::Login, client).await?;
    let mut response = HttpResponse::Ok().json(OtpRequested::from(&requested));
    put_budget(&mut response, requested.budget);
    Ok(response)
}
