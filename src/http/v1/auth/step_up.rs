//! `POST /api/v1/auth/step-up`.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::two_factor::Offered;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::whoami::seconds;
use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// A password, or a code.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct StepUp {
    /// The password.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = Password, max_length = 16384)]
    password: Option<Secret>,
    /// A code of the second factor, or a backup code.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 128, example = "123456")]
    code: Option<Secret>,
    /// What the code is: `totp`, `sms` or `backup_code`. Told by its form where nothing is said.
    #[serde(default)]
    #[schema(max_length = 32, example = "totp")]
    method: Option<String>,
}

/// It is them.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SteppedUp {
    /// A sentence for a person.
    message: &'static str,
    /// When they proved who they are: now.
    #[serde(serialize_with = "seconds")]
    auth_time: DateTime<Utc>,
}

/// Confirms who is asking. For some minutes this session may then do what needs a recent proof.
///
/// Where a second factor is in force, only a code of it, or a backup code that was not made in this session, is such a proof.
/// Answers `422 password_wrong` or `422 second_factor_invalid` for what is wrong; what has the form of no code is counted for
/// nobody.
#[utoipa::path(post, path = "/api/v1/auth/step-up", operation_id = "step_up", tag = "auth",
               security(("bearer" = [])), request_body = StepUp,
               responses((status = 200, body = SteppedUp),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 409, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
    caller: Caller,
    body: ValidJson<StepUp>,
) -> Result<Json<SteppedUp>, ApiError> {
    let principal = &authenticated.principal;
    let auth_time = match (body.0.password, body.0.code) {
        (Some(password), None) => state.credentials.verify(principal, password, &caller.0).await?,
        (None, Some(code)) => {
            let unknown = || ApiError::invalid("method", "method_not_offered", "There is no such method.");
            let method = body.0.method.as_deref();
            let method = method.map(|name| Offered::parse(name).ok_or_else(unknown)).transpose()?;
            state.two_factor.step_up(principal, method, code.expose(), &caller.0).await?
        }
        _ => return Err(ApiError::invalid("password", "one_of", "Give the password or a code, and not both.")),
    };
    Ok(Json(SteppedUp { message: "It is you.", auth_time }))
}
