//! `GET /api/v1/auth/csrf`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated};

/// The CSRF token of a session.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct CsrfToken {
    /// What to send in `X-CSRF-Token`.
    csrf_token: String,
}

/// Answers the CSRF token of this session, and puts it into its cookie. With cookies, every request but GET and HEAD must
/// carry it in `X-CSRF-Token`.
#[utoipa::path(get, path = "/api/v1/auth/csrf", operation_id = "csrf", tag = "auth", security(("bearer" = [])),
               responses((status = 200, body = CsrfToken),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
) -> Result<HttpResponse, ApiError> {
    let token = state.browser.csrf_token(authenticated.principal.session_id);
    let token = token.map_err(|error| ApiError::internal(&error))?;
    let mut response = HttpResponse::Ok().json(CsrfToken { csrf_token: token.expose().to_owned() });
    if authenticated.by_cookie {
        state.browser.keep_csrf(&mut response, &token);
    }
    Ok(response)
}
