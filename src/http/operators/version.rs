//! `GET /version`.

use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// What is running.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Version {
    /// The name of the service.
    #[schema(example = "civiclens")]
    name: &'static str,
    /// Its version.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// Says what is running.
#[utoipa::path(get, path = "/version", operation_id = "version", tag = "operators",
               responses((status = 200, body = Version)))]
pub(in crate::http) async fn handle() -> Json<Version> {
    Json(Version { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") })
}
