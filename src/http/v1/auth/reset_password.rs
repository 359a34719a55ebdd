//! `POST /api/v1/auth/reset-password`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::Message;
use super::verify_otp::phone;
use crate::http::browser::DeviceBody;
use crate::http::problem::Problem;
use crate::http::tasks::IfUndelivered;
use crate::http::{ApiError, ApiState, Caller, NodeState, ValidJson};

/// What the message brought, and the new password.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct ResetPassword {
    /// The phone, with a code that went there.
    #[serde(default)]
    #[schema(example = "+919876543210", max_length = 32)]
    phone: Option<String>,
    /// The code, or the token of the link.
    #[schema(value_type = String, example = "123456", max_length = 8192)]
    reset_token: Secret,
    /// The new password.
    #[schema(value_type = String, format = Password, max_length = 128)]
    new_password: Secret,
    /// The device that asks. A known one has budgets of its own.
    #[serde(default)]
    device: Option<DeviceBody>,
}

/// Sets a new password and ends every session of the user. None is opened: sign in with it.
#[utoipa::path(post, path = "/api/v1/auth/reset-password", operation_id = "reset_password", tag = "auth",
               request_body = ResetPassword,
               responses((status = 200, body = Message),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    node: Data<NodeState>,
    request: HttpRequest,
    caller: Caller,
    body: ValidJson<ResetPassword>,
) -> Result<HttpResponse, ApiError> {
    let ResetPassword { phone: number, reset_token, new_password, device } = body.0;
    let client = caller.described(&state, &request, device)?;
    let phone = number.as_deref().map(phone).transpose()?;
    let done = state.credentials.reset(phone, reset_token, new_password, &client).await?;
    let mut response = HttpResponse::Ok().json(Message { message: "The password is set. Sign in with it." });
    let loss = async move { state.credentials.answer_was_lost(done).await };
    response.extensions_mut().insert(IfUndelivered::new(&node.tasks, loss));
    Ok(response)
}
