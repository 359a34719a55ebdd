//! `GET /health`, also `/api/v1/health`.

use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The service is there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ServiceHealth)]
pub(in crate::http) struct Health {
    /// Always `healthy`.
    #[schema(example = "healthy")]
    status: &'static str,
    /// The name of the service.
    #[schema(example = "civiclens")]
    service: &'static str,
}

/// Tells clients that the service is there. Public, and asks no dependency: apps call it every half minute.
#[utoipa::path(get, path = "/api/v1/health", operation_id = "health", tag = "clients",
               responses((status = 200, body = Health)))]
pub(in crate::http) async fn handle() -> Json<Health> {
    Json(Health { status: "healthy", service: env!("CARGO_PKG_NAME") })
}
