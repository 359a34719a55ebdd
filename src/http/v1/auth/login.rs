//! `POST /api/v1/auth/login`.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::sign_in::{Credentials, Portal};
use serde::Deserialize;
use utoipa::ToSchema;

use super::answers::{Answering, OpenSession};
use super::verify_otp::phone;
use crate::http::browser::DeviceBody;
use crate::http::problem::Problem;
use crate::http::query::TokenPlace;
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// A phone and a password.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct Login {
    /// The phone, in any common spelling.
    #[schema(example = "+919876543210", max_length = 32)]
    phone: String,
    /// The password.
    #[schema(value_type = String, format = Password, max_length = 16384)]
    password: Secret,
    /// Where somebody signs in; `officer` admits only who works for the government.
    #[serde(default)]
    portal_type: Option<PortalType>,
    /// The device that signs in.
    #[serde(default)]
    device: Option<DeviceBody>,
}

/// Where somebody signs in.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum PortalType {
    Citizen,
    Officer,
}

impl From<PortalType> for Portal {
    fn from(portal: PortalType) -> Self {
        match portal {
            PortalType::Citizen => Self::Citizen,
            PortalType::Officer => Self::Officer,
        }
    }
}

/// Signs in with a phone and a password.
///
/// Answers `401 credentials_invalid` for a wrong password and an unknown phone alike, and `401 mfa_required` with an `mfa_token`
/// where the account has a second factor. After some failures the account locks, `429 account_locked`.
#[utoipa::path(post, path = "/api/v1/auth/login", operation_id = "login", tag = "auth",
               params(TokenPlace),
               request_body = Login,
               responses((status = 200, body = OpenSession,
                          headers(("RateLimit-Limit" = u32), ("RateLimit-Remaining" = u32), ("RateLimit-Reset" = u64))),
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
    body: ValidJson<Login>,
) -> Result<HttpResponse, ApiError> {
    let Login { phone: number, password, portal_type, device } = body.0;
    let phone = phone(&number)?;
    let answering = Answering::to_page(&state, &request)?;
    let device = answering.device(device)?;
    let client = caller.on(&device);
    let portal = portal_type.map(Portal::from).unwrap_or_default();
    let credentials = Credentials { phone, password, portal, device: Some(device) };
    let signed_in = state.sign_in.with_password(credentials, client).await?;
    answering.signed_in(signed_in)
}
