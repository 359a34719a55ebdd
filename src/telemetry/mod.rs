//! Logs and metrics of the process.
//!
//! Both are global by the nature of the `tracing` and `metrics` façades; they are installed here and nowhere else.

mod logs;
mod metrics;

pub use self::logs::{log_filter, report_failure, start_logs};
pub use self::metrics::{HTTP_REQUESTS, HTTP_SECONDS, LOOP_SECONDS, Metrics, start_metrics};
