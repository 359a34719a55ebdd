//! Being written.
pub mod config;
pub mod telemetry;
