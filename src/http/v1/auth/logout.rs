//! `POST /api/v1/auth/logout`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use super::answers::{Answering, Message};
use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller};

/// Ends the session of the token. Its tokens stop working everywhere at once.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "logout", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = Message),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    authenticated: Authenticated,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    state.sessions.logout(&authenticated.principal, caller.0).await?;
    let by_cookie = authenticated.by_cookie;
    Ok(Answering { by_cookie, ..Answering::new(&state, &request) }.signed_out("You are signed out."))
}
