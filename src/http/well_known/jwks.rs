//! `GET /.well-known/jwks.json`.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::Data;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState};

/// How long others may keep the keys: shorter than the overlap of a rotation.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The public keys that verify access tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the document describes it; the keys themselves are made elsewhere")]
pub(in crate::http) struct KeySet {
    /// JSON Web Keys (RFC 7517), the newest first; empty where tokens are signed with HS256.
    #[schema(value_type = Vec<Object>)]
    keys: Vec<serde_json::Value>,
}

/// Answers the public keys with which other services verify access tokens.
///
/// A key is here before it signs its first token, and until the last token it signed has expired. Ask again when a token
/// names a key that is not here.
#[utoipa::path(get, path = "/.well-known/jwks.json", operation_id = "jwks", tag = "auth",
               responses((status = 200, body = KeySet, headers(("Cache-Control" = String))),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(state: Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let keys = state.sessions.jwks()?;
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, CACHED)).json(keys))
}
