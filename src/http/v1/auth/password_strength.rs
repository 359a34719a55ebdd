//! `POST /api/v1/auth/password-strength`.

use actix_web::web::{Data, Json};
use civiclens_actors::domain::password::{About, Strength};
use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// A password somebody thinks of using.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct PasswordCandidate {
    /// The password, as typed so far.
    #[schema(value_type = String, format = Password, max_length = 16384, example = "Zebra-Quartz-41")]
    password: Secret,
}

/// How strong it is.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct PasswordStrength {
    /// From 0, guessed at once, to 4.
    #[schema(example = 4, minimum = 0, maximum = 4)]
    score: u8,
    /// Sentences for the person who chooses it: what is wrong, and what would make it better.
    feedback: Vec<String>,
    /// Whether it would be accepted, as far as that can be said without knowing whose it is to be.
    acceptable: bool,
}

impl From<Strength> for PasswordStrength {
    fn from(strength: Strength) -> Self {
        let Strength { score, feedback, acceptable } = strength;
        Self { score, feedback, acceptable }
    }
}

/// Rates a password, for a meter beside the field in which it is typed. Nothing of it is kept.
#[utoipa::path(post, path = "/api/v1/auth/password-strength", operation_id = "password_strength", tag = "auth",
               request_body = PasswordCandidate,
               responses((status = 200, body = PasswordStrength),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 413, body = Problem, content_type = "application/problem+json"),
                         (status = 415, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    Caller(client): Caller,
    body: ValidJson<PasswordCandidate>,
) -> Result<Json<PasswordStrength>, ApiError> {
    let strength = state.passwords.strength(body.0.password, About::default(), &client).await?;
    Ok(Json(strength.into()))
}
