//! For those who run the service.

mod counters;
pub(super) mod healthz;
pub(super) mod metrics;
pub(super) mod readyz;
pub(super) mod version;

pub(super) use self::counters::count;
