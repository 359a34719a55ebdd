//! `POST /api/v1/auth/logout`.

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller};

/// The session is over.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct LoggedOut {
    /// A sentence for a person.
    message: &'static str,
}

/// Ends the session of the token. Its tokens stop working everywhere at once.
#[utoipa::path(post, path = "/api/v1/auth/logout", operation_id = "logout", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = LoggedOut),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
    caller: Caller,
) -> Result<Json<LoggedOut>, ApiError> {
    state.sessions.logout(&authenticated.0, caller.0).await?;
    Ok(Json(LoggedOut { message: "You are signed out." }))
}
