//! `[log]`: what is written about the work.

use serde::{Deserialize, Serialize};

/// What is written about the work.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: Format,
    /// Which lines are written, in the syntax of `RUST_LOG`.
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For a person at a terminal.
    Pretty,
    /// One JSON object a line.
    Json,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Json, filter: "info".to_owned() }
    }
}

impl Log {
    pub(super) fn check(&self, checks: &mut super::Checks) {
        let parses = tracing_subscriber::EnvFilter::try_new(&self.filter).is_ok();
        checks.require("log.filter", parses, "must be a filter such as \"info,civiclens=debug\"");
    }
}
