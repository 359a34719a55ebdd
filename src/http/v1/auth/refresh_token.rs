//! `POST /api/v1/auth/refresh-token`, also `/auth/refresh`.

use actix_web::web::Data;
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use civiclens_actors::domain::code::Code;
use civiclens_actors::domain::refresh;
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use crate::http::browser::{Kind, RefreshCookieUsed};
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Caller, OptionalJson};

/// A refresh token.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct RefreshToken {
    /// The token; none where a cookie holds it.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8192)]
    pub(super) refresh_token: Option<Secret>,
}

/// Exchanges a refresh token for the next one and an access token.
///
/// Using a token again gives the same successor as long as that is unused; after that it ends the session. A browser
/// sends no token: its cookie is used, with the CSRF token in `X-CSRF-Token`.
#[utoipa::path(post, path = "/api/v1/auth/refresh-token", operation_id = "refresh_token", tag = "auth",
               params(TokenPlace), request_body = Option<RefreshToken>,
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
    body: OptionalJson<RefreshToken>,
) -> Result<HttpResponse, ApiError> {
    let mut answering = Answering::to_page(&state, &request)?;
    let has_cookie = state.browser.cookie(&request, Kind::Refresh).is_some();
    let token = match body.0 {
        Some(RefreshToken { refresh_token: Some(token) }) => token,
        Some(RefreshToken { refresh_token: None }) if !has_cookie => {
            return Err(ApiError::invalid("refresh_token", "required", "refresh_token is required."));
        }
        _ => {
            answering.by_cookie = true;
            from_cookie(&state, &request)?
        }
    };
    let opened = state.sessions.refresh(token.expose(), caller.0).await?;
    answering.token(&opened, None, &[])
}

/// The token of a browser, which must prove that the page meant it.
pub(super) fn from_cookie(state: &ApiState, request: &HttpRequest) -> Result<Secret, ApiError> {
    let cookie = state.browser.cookie(request, Kind::Refresh).ok_or_else(|| {
        ApiError::with_detail(Code::RefreshTokenInvalid, "This needs a refresh token, in the body or in a cookie.")
    })?;
    request.extensions_mut().insert(RefreshCookieUsed);
    let presented = refresh::parse(cookie.value()).ok_or_else(|| ApiError::new(Code::RefreshTokenInvalid))?;
    state.browser.guard(request, presented.session_id())?;
    Ok(Secret::from(cookie.value()))
}
