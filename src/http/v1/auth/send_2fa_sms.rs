//! `POST /api/v1/auth/send-2fa-sms`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::request_otp::OtpRequested;
use crate::http::problem::{Problem, put_budget};
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// Who needs a code.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct SendTwoFactorSms {
    /// The token of the login; without it, an access token.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8192)]
    mfa_token: Option<Secret>,
}

/// Sends the code of the second factor by SMS.
#[utoipa::path(post, path = "/api/v1/auth/send-2fa-sms", operation_id = "send_2fa_sms", tag = "auth",
               security((), ("bearer" = [])), request_body = SendTwoFactorSms,
               responses((status = 200, body = OtpRequested,
                          headers(("RateLimit-Limit" = u32), ("RateLimit-Remaining" = u32), ("RateLimit-Reset" = u64))),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 409, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    caller: Caller,
    body: ValidJson<SendTwoFactorSms>,
) -> Result<HttpResponse, ApiError> {
    let requested = if let Some(token) = body.0.mfa_token {
        state.sign_in.send_second_step(&token, &caller.0).await?
    } else {
        let user = Authenticated::of(&request)?.principal.user_id;
        state.two_factor.send_sms(user, &caller.0).await?
    };
    let mut response = HttpResponse::Ok().json(OtpRequested::from(&requested));
    put_budget(&mut response, requested.budget);
    Ok(response)
}
