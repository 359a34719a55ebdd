//! `GET /readyz`.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::NodeState;

/// Whether the process can do its work.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Ready {
    /// `ready` or `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// `ok` or `failed` for each dependency; why it failed is in the log.
    checks: BTreeMap<&'static str, &'static str>,
    /// For each loop of the process, how many seconds ago it last did its work.
    loops: BTreeMap<&'static str, f64>,
}

/// Seconds, to a tenth.
fn tenths(age: Duration) -> f64 {
    (age.as_secs_f64() * 10.0).round() / 10.0
}

/// Says whether the process can do its work, and which dependency is in the way.
#[utoipa::path(get, path = "/readyz", operation_id = "readyz", tag = "operators",
               responses((status = 200, body = Ready), (status = 503, body = Ready)))]
pub(in crate::http) async fn handle(node: Data<NodeState>) -> HttpResponse {
    let checks = node.readiness.check().await;
    let ready = checks.iter().all(|(_, outcome)| outcome.is_ok());
    for (name, outcome) in &checks {
        if let Err(cause) = outcome {
            tracing::warn!(dependency = name, cause, "not ready");
        }
    }
    let checks = checks.into_iter().map(|(name, outcome)| (name, if outcome.is_ok() { "ok" } else { "failed" }));
    let loops = node.readiness.loops().into_iter().map(|state| (state.name, tenths(state.age))).collect();
    let body = Ready { status: if ready { "ready" } else { "not_ready" }, checks: checks.collect(), loops };
    if ready {
        HttpResponse::Ok().json(body)
    } else {
        HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "5")).json(body)
    }
}
