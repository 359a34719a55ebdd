//! `GET /metrics`.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::http::NodeState;
use crate::telemetry::LOOP_SECONDS;

/// Answers what has been counted, in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operators",
               responses((status = 200, body = String, content_type = "text/plain")))]
pub(in crate::http) async fn handle(node: Data<NodeState>) -> HttpResponse {
    // Measured when they are asked for: a loop that hangs cannot hold up the news of it.
    for state in node.readiness.loops() {
        metrics::gauge!(LOOP_SECONDS, "loop" => state.name).set(state.age.as_secs_f64());
    }
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(node.metrics.render())
}
