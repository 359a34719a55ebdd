//! `POST /api/v1/auth/logout-others`.

use actix_web::web::{Data, Json};

use super::answers::Message;
use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller};

/// Ends every session of the user but this one.
#[utoipa::path(post, path = "/api/v1/auth/logout-others", operation_id = "logout_others", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = Message),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
    caller: Caller,
) -> Result<Json<Message>, ApiError> {
    state.sessions.logout_others(&authenticated.principal, caller.0).await?;
    Ok(Json(Message { message: "You are signed out everywhere else." }))
}
