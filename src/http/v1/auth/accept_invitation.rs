//! `POST /api/v1/auth/accept-invitation`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use crate::http::browser::DeviceBody;
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// What the letter brought, and the password.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct AcceptInvitation {
    /// The token of the invitation.
    #[schema(value_type = String, max_length = 128)]
    token: Secret,
    /// The password; what it must be says `password-strength`.
    #[schema(value_type = String, format = Password, max_length = 128)]
    password: Secret,
    /// The device that signs in.
    #[serde(default)]
    device: Option<DeviceBody>,
}

/// Sets the first password of an officer, administrator or auditor, and signs them in.
///
/// A password that is refused does not use the invitation up.
#[utoipa::path(post, path = "/api/v1/auth/accept-invitation", operation_id = "accept_invitation", tag = "auth",
               params(TokenPlace),
               request_body = AcceptInvitation,
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
    body: ValidJson<AcceptInvitation>,
) -> Result<HttpResponse, ApiError> {
    let AcceptInvitation { token, password, device } = body.0;
    let answering = Answering::to_page(&state, &request)?;
    let device = answering.device(device)?;
    let client = caller.on(&device);
    let signed_in = state.sign_in.accept_invitation(&token, password, Some(device), client).await?;
    answering.signed_in(signed_in)
}
