//! Metrics in the Prometheus text format.

use std::sync::{Mutex, PoisonError};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Requests answered, by method, route and status.
pub const HTTP_REQUESTS: &str = "civiclens_http_requests_total";
/// How long they took, by route.
pub const HTTP_SECONDS: &str = "civiclens_http_request_seconds";

/// How long ago a loop last did its work, by loop.
pub const LOOP_SECONDS: &str = "civiclens_loop_last_success_seconds";

/// From a token check (well under a millisecond) to a request that runs into its timeout.
const HTTP_BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0];

static INSTALLED: Mutex<Option<Metrics>> = Mutex::new(None);

/// Reads what has been counted.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl Metrics {
    /// Everything counted so far, as Prometheus scrapes it.
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds recorded samples into their buckets, so that memory stays bounded while nobody scrapes. Call it every
    /// few seconds.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Starts counting; a second call answers the first one's handle.
///
/// # Errors
/// When something else installed a recorder.
pub fn start_metrics() -> anyhow::Result<Metrics> {
    // One at a time: between two that start at once, the second must find what the first installed.
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(metrics) = &*installed {
        return Ok(metrics.clone());
    }
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(HTTP_SECONDS.to_owned()), HTTP_BUCKETS)?
        .build_recorder();
    let metrics = Metrics(recorder.handle());
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("another metrics recorder is installed"))?;
    metrics::describe_counter!(HTTP_REQUESTS, "Requests answered");
    metrics::describe_gauge!(LOOP_SECONDS, metrics::Unit::Seconds, "Time since a loop last did its work");
    metrics::describe_histogram!(HTTP_SECONDS, metrics::Unit::Seconds, "Time to answer a request");
    Ok(installed.insert(metrics).clone())
}
