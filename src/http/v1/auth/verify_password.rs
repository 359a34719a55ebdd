//! `POST /api/v1/auth/verify-password`.

use actix_web::web::{Data, Json};
use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// The password of who asks.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct VerifyPassword {
    /// The password.
    #[schema(value_type = String, format = Password, max_length = 16384)]
    password: Secret,
}

/// It is their password.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct PasswordVerified {
    /// Always `true`.
    verified: bool,
    /// A sentence for a person.
    message: &'static str,
}

/// Confirms who is asking by their password. For some minutes this session may then do what needs a recent proof, unless the
/// account has a second factor: then `step-up` takes a code of it.
///
/// Answers `422 password_wrong` for another password.
#[utoipa::path(post, path = "/api/v1/auth/verify-password", operation_id = "verify_password", tag = "auth",
               security(("bearer" = [])), request_body = VerifyPassword,
               responses((status = 200, body = PasswordVerified),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
    caller: Caller,
    body: ValidJson<VerifyPassword>,
) -> Result<Json<PasswordVerified>, ApiError> {
    state.credentials.verify(&authenticated.principal, body.0.password, &caller.0).await?;
    Ok(Json(PasswordVerified { verified: true, message: "It is you." }))
}
