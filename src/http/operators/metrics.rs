//! `GET /metrics`.

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::http::NodeState;

/// Answers what has been counted, in the Prometheus text format.
#[utoipa::path(get, path = "/metrics", operation_id = "metrics", tag = "operators",
               responses((status = 200, body = String, content_type = "text/plain")))]
pub(in crate::http) async fn handle(node: Data<NodeState>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(node.metrics.render())
}
