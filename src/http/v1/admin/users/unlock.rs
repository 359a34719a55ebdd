//! `POST /api/v1/admin/users/{id}/unlock`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};

use crate::http::page::path_id;
use crate::http::problem::Problem;
use crate::http::v1::auth::answers::Message;
use crate::http::{Administrator, ApiError, ApiState, Caller};

/// Ends the lock of an account and forgets its failed logins. For administrators.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/unlock", operation_id = "unlock_user", tag = "administration",
               security(("bearer" = [])), params(("id" = i64, Path, minimum = 1, description = "The user")),
               responses((status = 200, body = Message),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 404, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    admin: Administrator,
    caller: Caller,
) -> Result<Json<Message>, ApiError> {
    state.administration.unlock(&admin.0, path_id(&request)?.into(), &caller.0).await?;
    Ok(Json(Message { message: "The account is unlocked." }))
}
