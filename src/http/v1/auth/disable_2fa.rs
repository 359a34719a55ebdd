//! `POST /api/v1/auth/disable-2fa`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::two_factor::Leave;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// A password, or a code.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct DisableTwoFactor {
    /// The password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, max_length = 16384)]
    password: Option<Secret>,
    /// A code of the second factor, or a backup code.
    #[serde(default)]
    #[schema(max_length = 128)]
    code: Option<String>,
}

/// Turns the second factor off, and ends the other sessions: with a code of it, or with the password and a recent proof of the
/// factor (`403 step_up_required`). This session goes on with the tokens answered. Answers `403 two_factor_enforced` for roles
/// that must have one.
#[utoipa::path(post, path = "/api/v1/auth/disable-2fa", operation_id = "disable_2fa", tag = "auth",
               security(("bearer" = [])), params(TokenPlace), request_body = DisableTwoFactor,
               responses((status = 200, body = OpenSession),
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
    authenticated: Authenticated,
    caller: Caller,
    body: ValidJson<DisableTwoFactor>,
) -> Result<HttpResponse, ApiError> {
    let leave = match (body.0.password, body.0.code) {
        (Some(password), None) => Leave::Password(password),
        (None, Some(code)) => Leave::Code(code),
        _ => return Err(ApiError::invalid("password", "one_of", "Give the password or a code, and not both.")),
    };
    let Authenticated { principal, by_cookie } = authenticated;
    let answering = Answering { by_cookie, ..Answering::to_page(&state, &request)? };
    let opened = state.two_factor.disable(&principal, leave, &caller.0).await?;
    answering.renewed(&opened, "The second factor is turned off.", &[])
}
