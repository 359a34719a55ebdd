//! `POST /api/v1/auth/logout`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::code::Code;

use super::answers::{Answering, Message};
use super::refresh_token::{RefreshToken, from_cookie};
use crate::http::browser::Kind;
use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller, OptionalJson};

/// Ends the session of the access token, or of a refresh token where no valid access token comes with the request: in the
/// body, or in the cookie. All tokens of the session stop working everywhere at once. No body is needed.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "logout", tag = "auth",
               security((), ("bearer" = [])), request_body = Option<RefreshToken>,
               responses((status = 200, body = Message),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    caller: Caller,
    body: OptionalJson<RefreshToken>,
) -> Result<HttpResponse, ApiError> {
    let mut answering = Answering::new(&state, &request);
    let token = body.0.and_then(|body| body.refresh_token);
    match Authenticated::of(&request) {
        Ok(Authenticated { principal, by_cookie }) => {
            answering.by_cookie = by_cookie;
            state.sessions.logout(&principal, caller.0).await?;
        }
        // Where there is another proof of the session, a token that has expired or was lost is no reason to keep it.
        Err(error) if error.code == Code::Unauthenticated => {
            let token = if let Some(token) = token {
                token
            } else if state.browser.cookie(&request, Kind::Refresh).is_some() {
                answering.by_cookie = true;
                from_cookie(&state, &request)?
            } else {
                return Err(error);
            };
            state.sessions.logout_by_token(token.expose(), caller.0).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(answering.signed_out("You are signed out."))
}
