//! `GET /healthz`.

use actix_web::web::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// The process lives.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Health {
    /// Always `ok`.
    #[schema(example = "ok")]
    status: &'static str,
}

/// Says that the process lives. Looks at nothing else: a restart would not mend a dependency.
#[utoipa::path(get, path = "/healthz", operation_id = "healthz", tag = "operators",
               responses((status = 200, body = Health)))]
pub(in crate::http) async fn handle() -> Json<Health> {
    Json(Health { status: "ok" })
}
