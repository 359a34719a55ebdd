//! `POST /api/v1/auth/verify-phone`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::answers::{Answering, OpenSession};
use super::verify_otp::{VerifyOtp, code, phone};
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// Verifies the phone of a sign-up and opens the first session of the account.
///
/// If the phone had an account before, its owner is signed in and what was signed up with is forgotten.
#[utoipa::path(post, path = "/api/v1/auth/verify-phone", operation_id = "verify_phone", tag = "auth",
               params(TokenPlace),
               request_body = VerifyOtp,
               responses((status = 200, body = OpenSession),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
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
    let signed_in = state.sign_in.verify_phone(phone, code, Some(device), client).await?;
    answering.signed_in(signed_in)
}
