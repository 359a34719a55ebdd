//! Log lines.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Format, Log};

/// Starts writing log lines to standard error. A second call changes nothing.
///
/// # Errors
/// When the filter does not parse.
pub fn start_logs(settings: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.filter)?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // An error only says that a subscriber is there already, which is what was asked for.
    let _already_started = match settings.format {
        Format::Pretty => lines.with_target(false).try_init(),
        Format::Json => lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init(),
    };
    Ok(())
}
