//! `POST /api/v1/auth/verify-otp`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::otp::OtpCode;
use civiclens_actors::domain::phone::Phone;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use crate::http::browser::DeviceBody;
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// A code and the phone it was sent to.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct VerifyOtp {
    /// The phone, in any common spelling.
    #[schema(example = "+919876543210", max_length = 32)]
    pub(super) phone: String,
    /// The six digits.
    #[schema(example = "123456", min_length = 6, max_length = 32)]
    pub(super) otp: String,
    /// The device that signs in.
    #[serde(default)]
    pub(super) device: Option<DeviceBody>,
}

/// Reads a code that somebody entered in `field`.
pub(super) fn code(field: &str, text: &str) -> Result<OtpCode, ApiError> {
    OtpCode::parse(text).map_err(|error| ApiError::invalid(field, "otp_malformed", error.to_string()))
}

/// Reads a phone that somebody entered.
pub(super) fn phone(text: &str) -> Result<Phone, ApiError> {
    Phone::parse(text).map_err(|error| ApiError::phone("phone", error))
}

/// Reads a phone that is to receive SMS.
pub(super) fn mobile(text: &str) -> Result<Phone, ApiError> {
    Phone::parse_mobile(text).map_err(|error| ApiError::phone("phone", error))
}

/// Exchanges a one-time code for a session.
///
/// Makes a citizen's account on the first success. Answers `401 otp_invalid` for wrong, expired, unknown and used
/// codes alike. Accounts that need more are answered `401 mfa_required` with what goes on.
#[utoipa::path(post, path = "/api/v1/auth/verify-otp", operation_id = "verify_otp", tag = "auth",
               params(TokenPlace),
               request_body = VerifyOtp,
               responses((status = 200, body = OpenSession),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 413, body = Problem, content_type = "application/problem+json"),
                         (status = 415, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    caller: Caller,
    body: ValidJson<VerifyOtp>,
) -> Result<HttpResponse, ApiError> {
    let VerifyOtp { phone: number, otp, device } = body.0;
    let (phone, code) = (phone(&number)?, code("otp", &otp)?);
    let answering = Answering::to_page(&state, &request)?;
    let device = answering.device(device)?;
    let client = caller.on(&device);
    let signed_in = state.sign_in.with_code(phone, code, Some(device), client).await?;
    answering.signed_in(signed_in)
}
