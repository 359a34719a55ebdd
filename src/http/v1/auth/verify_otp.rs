//! `POST /api/v1/auth/verify-otp`.

use actix_web::web::{Data, Json};
use civiclens_actors::domain::client::Device;
use civiclens_actors::domain::otp::OtpCode;
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::sign_in::SignIn;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::{Problem, whole_seconds};
use crate::http::{ApiError, ApiState, Caller, ValidJson};

/// A code and the phone it was sent to.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct VerifyOtp {
    /// The phone, in any common spelling.
    #[schema(example = "+919876543210", max_length = 32)]
    phone: String,
    /// The six digits.
    #[schema(example = "123456", min_length = 6)]
    otp: String,
    /// The device that signs in.
    #[serde(default)]
    device: Option<DeviceBody>,
}

/// A device: its id, or its id and name.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum DeviceBody {
    /// The client's own id for the device.
    Id(String),
    /// Id and name.
    Described {
        /// The client's own id for the device.
        id: Option<String>,
        /// A name a person would recognise.
        name: Option<String>,
    },
}

impl From<DeviceBody> for Device {
    fn from(body: DeviceBody) -> Self {
        match body {
            DeviceBody::Id(id) => Self { id: Some(id), name: None },
            DeviceBody::Described { id, name } => Self { id, name },
        }
    }
}

/// A session, or what is still missing to one.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::http) enum SignedIn {
    /// The session is open.
    Token(OpenSession),
    /// A second step is needed.
    SecondStep(SecondStep),
}

/// An open session, called a token by the clients.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(in crate::http) struct OpenSession {
    /// Opens the API.
    access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u64,
    /// Buys the next access token, once.
    refresh_token: String,
    /// The user.
    user_id: i64,
    /// Their role.
    #[schema(example = "citizen")]
    role: &'static str,
    /// The session.
    session_id: i64,
    /// How much of the profile is there.
    #[schema(example = "minimal")]
    profile_completion: &'static str,
    /// Whether the account was made by this very request.
    is_new_user: bool,
}

/// What is still missing to a session.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SecondStep {
    /// Always true.
    mfa_required: bool,
    /// Names this login in the second step; opens nothing else.
    mfa_token: String,
    /// How the second step may be made.
    methods: Vec<&'static str>,
    /// Seconds until the login has to start again.
    expires_in: u64,
}

impl From<SignIn> for SignedIn {
    fn from(outcome: SignIn) -> Self {
        match outcome {
            SignIn::Session(opened) => Self::Token(OpenSession {
                access_token: opened.access_token.expose().to_owned(),
                token_type: "bearer",
                expires_in: whole_seconds(opened.expires_in),
                refresh_token: opened.refresh_token.expose().to_owned(),
                user_id: opened.user_id.get(),
                role: opened.role.as_str(),
                session_id: opened.session_id.get(),
                profile_completion: opened.profile_completion.as_str(),
                is_new_user: opened.is_new_user,
            }),
            SignIn::SecondStep(step) => Self::SecondStep(SecondStep {
                mfa_required: true,
                mfa_token: step.mfa_token.expose().to_owned(),
                methods: step.methods,
                expires_in: whole_seconds(step.expires_in),
            }),
        }
    }
}

/// Exchanges a one-time code for a session.
///
/// Makes a citizen's account on the first success. Answers `401 otp_invalid` for wrong, expired, unknown and used
/// codes alike.
#[utoipa::path(post, path = "/api/v1/auth/verify-otp", operation_id = "verify_otp", tag = "auth",
               request_body = VerifyOtp,
               responses((status = 200, body = SignedIn),
                         (status = 400, body = Problem, content_type = "application/problem+json"),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 413, body = Problem, content_type = "application/problem+json"),
                         (status = 415, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 429, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    caller: Caller,
    body: ValidJson<VerifyOtp>,
) -> Result<Json<SignedIn>, ApiError> {
    let VerifyOtp { phone, otp, device } = body.0;
    let phone = Phone::parse(&phone).map_err(|error| ApiError::phone("phone", error))?;
    let code = OtpCode::parse(&otp).map_err(|error| ApiError::invalid("otp", "otp_malformed", error.to_string()))?;
    let outcome = state.sign_in.with_code(phone, code, device.map(Device::from), caller.0).await?;
    Ok(Json(outcome.into()))
}
