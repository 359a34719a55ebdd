//! `POST /api/v1/auth/enable-2fa`.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use civiclens_actors::domain::second_step::Method;
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::two_factor::Enrolment;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller, ValidJson};

/// Which second factor to set up.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct EnableTwoFactor {
    /// `totp` for an authenticator app, `sms` for codes by SMS.
    #[schema(example = "totp")]
    method: TwoFactorMethod,
    /// A code of the second factor in force, or a backup code: proves it at this moment.
    #[serde(default)]
    #[schema(max_length = 128)]
    code: Option<String>,
    /// The token of a login that must set one up first, instead of an access token.
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 8192)]
    mfa_token: Option<Secret>,
}

/// A second factor.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TwoFactorMethod {
    Totp,
    Sms,
}

/// What an authenticator app needs. Empty for codes by SMS: one was sent.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TwoFactorEnrolment {
    /// `totp` or `sms`.
    #[schema(example = "totp")]
    method: &'static str,
    /// The secret, base32, for typing in.
    secret: Option<String>,
    /// The same as an address.
    #[schema(example = "otpauth://totp/CivicLens:%2B919876543210?secret=…")]
    otpauth_uri: Option<String>,
    /// The address as a QR code: an SVG picture.
    qr_svg: Option<String>,
    /// A sentence for a person.
    message: &'static str,
}

impl From<Enrolment> for TwoFactorEnrolment {
    fn from(enrolment: Enrolment) -> Self {
        let method = enrolment.method.as_str();
        let shown = |secret: &Secret| Some(secret.expose().to_owned());
        match enrolment.totp {
            Some(totp) => Self {
                method,
                secret: shown(&totp.secret),
                otpauth_uri: shown(&totp.uri),
                qr_svg: shown(&totp.qr_svg),
                message: "Scan the code with your authenticator app, then confirm with a code it shows.",
            },
            None => Self {
                method,
                secret: None,
                otpauth_uri: None,
                qr_svg: None,
                message: "A code is on its way. Confirm with it.",
            },
        }
    }
}

/// Begins to set up a second factor. It is in force once `verify-2fa` confirms it.
///
/// Needs a recent proof of who is asking, else `403 step_up_required`: a sign-in or `step-up` of the last minutes; where a second
/// factor is in force, with that factor, or a code of it with this.
#[utoipa::path(post, path = "/api/v1/auth/enable-2fa", operation_id = "enable_2fa", tag = "auth",
               security(("bearer" = [])), request_body = EnableTwoFactor,
               responses((status = 200, body = TwoFactorEnrolment),
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
    body: ValidJson<EnableTwoFactor>,
) -> Result<Json<TwoFactorEnrolment>, ApiError> {
    let EnableTwoFactor { method, code, mfa_token } = body.0;
    let method = match method {
        TwoFactorMethod::Totp => Method::Totp,
        TwoFactorMethod::Sms => Method::Sms,
    };
    let enrolment = if let Some(token) = mfa_token {
        state.sign_in.enrol(&token, method, &caller.0).await?
    } else {
        let principal = Authenticated::of(&request)?.principal;
        state.two_factor.enrol(&principal, method, code.as_deref(), &caller.0).await?
    };
    Ok(Json(enrolment.into()))
}
