//! `DELETE /api/v1/auth/sessions/{id}`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::principal::SessionId;

use crate::http::page::path_id;
use crate::http::problem::Problem;
use crate::http::v1::auth::answers::{Answering, Message};
use crate::http::{ApiError, ApiState, Authenticated, Caller};

/// Ends one session of who asks. Answers 404 for a session that is not theirs, or has ended.
#[utoipa::path(delete, path = "/api/v1/auth/sessions/{id}", operation_id = "end_session", tag = "auth",
               security(("bearer" = [])),
               params(("id" = i64, Path, minimum = 1, description = "The session")),
               responses((status = 200, body = Message),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 404, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    authenticated: Authenticated,
    caller: Caller,
) -> Result<HttpResponse, ApiError> {
    let session = SessionId::from(path_id(&request)?);
    state.sessions.logout_remote(&authenticated.principal, session, caller.0).await?;
    let own = session == authenticated.principal.session_id;
    let answering = Answering { by_cookie: own && authenticated.by_cookie, ..Answering::new(&state, &request) };
    Ok(answering.signed_out("The session is ended."))
}
