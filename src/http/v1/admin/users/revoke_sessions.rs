//! `POST /api/v1/admin/users/{id}/revoke-sessions`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::page::path_id;
use crate::http::problem::Problem;
use crate::http::{Administrator, ApiError, ApiState, Caller};

/// The sessions are ended.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SessionsRevoked {
    /// A sentence for a person.
    message: &'static str,
    /// How many there were.
    revoked: usize,
}

/// Ends every session of a user, at once and everywhere. For administrators.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/revoke-sessions", operation_id = "revoke_user_sessions",
               tag = "administration", security(("bearer" = [])), params(("id" = i64, Path, minimum = 1, description = "The user")),
               responses((status = 200, body = SessionsRevoked),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 404, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    admin: Administrator,
    caller: Caller,
) -> Result<Json<SessionsRevoked>, ApiError> {
    let user = path_id(&request)?.into();
    let role = state.accounts.me(user).await?.role;
    let revoked = state.sessions.revoke_all((user, role), &admin.0, caller.0).await?;
    Ok(Json(SessionsRevoked { message: "The sessions are ended.", revoked }))
}
