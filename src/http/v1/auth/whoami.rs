//! `GET /api/v1/auth/whoami`.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::http::Authenticated;
use crate::http::problem::Problem;

/// Who holds the token.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct WhoAmI {
    /// The user.
    user_id: i64,
    /// Their role.
    #[schema(example = "citizen")]
    role: &'static str,
    /// The session.
    session_id: i64,
    /// How they authenticated (RFC 8176).
    amr: Vec<String>,
    /// When they last proved who they are.
    #[serde(serialize_with = "seconds")]
    auth_time: DateTime<Utc>,
    /// When the token expires.
    #[serde(serialize_with = "seconds")]
    expires_at: DateTime<Utc>,
}

pub(super) fn seconds<S: Serializer>(time: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// Says who holds the token.
///
/// Reads the token and the list of ended sessions only, so a reverse proxy can ask before every request; the headers
/// `X-User-Id`, `X-User-Role` and `X-Session-Id` are for it to pass on.
#[utoipa::path(get, path = "/api/v1/auth/whoami", operation_id = "whoami", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = WhoAmI,
                          headers(("X-User-Id" = i64), ("X-User-Role" = String), ("X-Session-Id" = i64))),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(authenticated: Authenticated) -> HttpResponse {
    let principal = authenticated.principal;
    let role = principal.role.as_str();
    let (user_id, session_id) = (principal.user_id.get(), principal.session_id.get());
    let mut response = HttpResponse::Ok().json(WhoAmI {
        user_id,
        role,
        session_id,
        amr: principal.amr,
        auth_time: principal.auth_time,
        expires_at: principal.expires_at,
    });
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-user-id"), HeaderValue::from(user_id));
    headers.insert(HeaderName::from_static("x-user-role"), HeaderValue::from_static(role));
    headers.insert(HeaderName::from_static("x-session-id"), HeaderValue::from(session_id));
    response
}
