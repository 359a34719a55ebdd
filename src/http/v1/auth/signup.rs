//! `POST /api/v1/auth/signup`.

use actix_web::HttpResponse;
use actix_web::web::Data;
use civiclens_actors::domain::contact;
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::sign_in::NewSignup;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::verify_otp::phone;
use crate::http::problem::{Problem, put_budget, whole_seconds};
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// Who signs up.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Signup {
    /// The phone, in any common spelling.
    #[schema(example = "+919876543210", max_length = 32)]
    phone: String,
    /// The full name.
    #[schema(example = "Asha Rao", max_length = 200)]
    full_name: String,
    /// The e-mail.
    #[serde(default)]
    #[schema(example = "asha@example.org", max_length = 254)]
    email: Option<String>,
    /// The password; what it must be says `password-strength`.
    #[schema(value_type = String, format = Password, max_length = 128)]
    password: Secret,
}

/// A sign-up that waits for its phone to be verified.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SignupStarted {
    /// A sentence for a person.
    message: &'static str,
    /// The id the user will have, unless the phone has an account already.
    user_id: i64,
    /// Minutes until the code expires, and what was given with it.
    #[schema(example = 5)]
    expires_in_minutes: u64,
    /// The code itself; only in development environments that ask for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    otp: Option<String>,
}

/// Begins a sign-up with a password. Nothing is an account before `verify-phone`.
///
/// The answer is the same whether or not the phone or the e-mail has an account.
#[utoipa::path(post, path = "/api/v1/auth/signup", operation_id = "signup", tag = "auth", request_body = Signup,
               responses((status = 201, body = SignupStarted,
                          headers(("RateLimit-Limit" = u32), ("RateLimit-Remaining" = u32), ("RateLimit-Reset" = u64))),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    caller: Caller,
    body: ValidJson<Signup>,
) -> Result<HttpResponse, ApiError> {
    let Signup { phone: number, full_name, email, password } = body.0;
    let phone = phone(&number)?;
    let refused = |fault| ApiError::fields(vec![fault]);
    let full_name = contact::full_name("full_name", &full_name).map_err(refused)?;
    let email = email.map(|email| contact::email("email", &email)).transpose().map_err(refused)?;
    let started = state.sign_in.sign_up(NewSignup { phone, full_name, email, password }, caller.0).await?;
    let mut response = HttpResponse::Created().json(SignupStarted {
        message: "If this phone can receive messages, a code is on its way. Enter it to finish.",
        user_id: started.user_id.get(),
        expires_in_minutes: whole_seconds(started.requested.expires_in).div_ceil(60),
        otp: started.requested.exposed_code.as_ref().map(|code| code.expose().to_owned()),
    });
    put_budget(&mut response, started.requested.budget);
    Ok(response)
}
