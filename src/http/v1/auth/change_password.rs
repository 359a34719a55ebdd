//! `POST /api/v1/auth/change-password`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// The old password and the new one.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct ChangePassword {
    /// The present password.
    #[schema(value_type = String, format = Password, max_length = 16384)]
    old_password: Secret,
    /// The new one.
    #[schema(value_type = String, format = Password, max_length = 128)]
    new_password: Secret,
}

/// Changes the password. Ends the other sessions; this one goes on with the tokens answered.
///
/// Its older access tokens are worthless. The refresh token answered is the successor of the session's present one, which stays
/// good until the successor was used. Another `old_password` is `422 password_wrong`.
#[utoipa::path(post, path = "/api/v1/auth/change-password", operation_id = "change_password", tag = "auth",
               security(("bearer" = [])), params(TokenPlace), request_body = ChangePassword,
               responses((status = 200, body = OpenSession),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 409, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    authenticated: Authenticated,
    caller: Caller,
    body: ValidJson<ChangePassword>,
) -> Result<HttpResponse, ApiError> {
    let ChangePassword { old_password, new_password } = body.0;
    let Authenticated { principal, by_cookie } = authenticated;
    let answering = Answering { by_cookie, ..Answering::to_page(&state, &request)? };
    let opened = state.credentials.change(&principal, old_password, new_password, &caller.0).await?;
    answering.renewed(&opened, "The password is changed.", &[])
}
