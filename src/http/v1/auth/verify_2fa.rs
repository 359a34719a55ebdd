//! `POST /api/v1/auth/verify-2fa`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// A code of the second factor.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct VerifyTwoFactor {
    /// The code; the password where that is the step that was asked for.
    #[schema(value_type = String, example = "123456", max_length = 16384)]
    code: Secret,
    /// The token of the login that this goes on with. Without it, an access token, and the code confirms a new second factor.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8192)]
    mfa_token: Option<Secret>,
    /// `totp`, `sms`, `backup_code` or `password`; the first that was offered where none is named.
    #[serde(default)]
    #[schema(max_length = 32)]
    method: Option<String>,
}

/// Goes on with a login, or confirms a second factor that is being set up.
///
/// Where it confirms one, the other sessions end, the backup codes are shown this once, and this session goes on with the tokens
/// answered. A code is accepted once. A wrong one counts against the account; the token stays good for another try.
#[utoipa::path(post, path = "/api/v1/auth/verify-2fa", operation_id = "verify_2fa", tag = "auth",
               params(TokenPlace),
               security((), ("bearer" = [])), request_body = VerifyTwoFactor,
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
    caller: Caller,
    body: ValidJson<VerifyTwoFactor>,
) -> Result<HttpResponse, ApiError> {
    let VerifyTwoFactor { code, mfa_token, method } = body.0;
    let answering = Answering::to_page(&state, &request)?;
    let Some(token) = mfa_token else {
        let Authenticated { principal, by_cookie } = Authenticated::of(&request)?;
        let (opened, codes) = state.two_factor.confirm(&principal, code.expose(), &caller.0).await?;
        let message = "The second factor is in force. Keep the backup codes where you will find them.";
        return Answering { by_cookie, ..answering }.renewed(&opened, message, &codes);
    };
    let signed_in = state.sign_in.with_second_step(&token, method.as_deref(), &code, caller.0).await?;
    answering.signed_in(signed_in)
}
