//! `POST /api/v1/admin/users/{id}/invite`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};

use crate::http::page::path_id;
use crate::http::problem::Problem;
use crate::http::v1::auth::answers::Message;
use crate::http::{Administrator, ApiError, ApiState, Caller};

/// Sends an officer, administrator or auditor a new invitation to choose a password. For administrators.
///
/// An earlier invitation, and a temporary password, are worthless from then on. Who has chosen a password is not invited: 409.
/// Inviting an administrator needs a recent proof of who is asking, else `403 step_up_required`.
#[utoipa::path(post, path = "/api/v1/admin/users/{id}/invite", operation_id = "invite_user", tag = "administration",
               security(("bearer" = [])), params(("id" = i64, Path, minimum = 1, description = "The user")),
               responses((status = 200, body = Message),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 404, body = Problem, content_type = "application/problem+json"),
                         (status = 409, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    admin: Administrator,
    caller: Caller,
) -> Result<Json<Message>, ApiError> {
    state.administration.invite(&admin.0, path_id(&request)?.into(), &caller.0).await?;
    Ok(Json(Message { message: "An invitation is on its way by e-mail." }))
}
