//! Log lines.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;

use tracing::Subscriber;
use tracing_subscriber::filter::{ParseError, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::config::{Format, Log};

/// The format in which the process logs, once it does.
static FORMAT: OnceLock<Format> = OnceLock::new();

/// Starts writing log lines to standard error, panics among them. A second call changes nothing.
///
/// # Errors
/// When the filter does not parse.
pub fn start_logs(settings: &Log) -> anyhow::Result<()> {
    let filter = log_filter(&settings.filter)?;
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    let started = match settings.format {
        Format::Pretty => registry().with(filter).with(lines.with_target(false)).try_init(),
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(true).with_span_list(false);
            registry().with(filter).with(lines).try_init()
        }
    };
    // An error only says that a subscriber is there already, which is what was asked for.
    if started.is_ok() {
        let _only_format = FORMAT.set(settings.format);
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// The filter of `log.filter`, under a ceiling: other crates are written up to `info`, whatever the filter says. Below that
/// some of them print what they send and receive, with phones and codes in it.
///
/// # Errors
/// When the text is no filter.
pub fn log_filter<S>(text: &str) -> Result<impl Layer<S> + use<S>, ParseError>
where
    S: Subscriber + for<'span> LookupSpan<'span> + 'static,
{
    Ok(EnvFilter::try_new(text)?.and_then(filter_fn(|line| is_allowed(line.target(), *line.level()))))
}

/// Whether a line of this target and level may be written at all.
fn is_allowed(target: &str, level: tracing::Level) -> bool {
    level <= tracing::Level::INFO || is_ours(target)
}

/// Whether a log target belongs to this workspace.
fn is_ours(target: &str) -> bool {
    let root = target.split("::").next().unwrap_or_default();
    root == "civiclens" || root.starts_with("civiclens_")
}

/// Writes a panic as a log line. `RUST_BACKTRACE` adds the frames, as it does without this hook.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no text");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let current = std::thread::current();
    let thread = current.name().unwrap_or("unnamed");
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(panic = message, location, thread, %backtrace, "a thread panicked");
    } else {
        tracing::error!(panic = message, location, thread, "a thread panicked");
    }
}

/// Tells why the program ended: as a log line where JSON is logged, otherwise as a sentence. The filter does not hide it.
pub fn report_failure(error: &anyhow::Error) {
    if FORMAT.get() == Some(&Format::Json) {
        let unfiltered = fmt().json().flatten_event(true).with_writer(std::io::stderr).finish();
        tracing::subscriber::with_default(unfiltered, || {
            tracing::error!(error = format!("{error:#}"), "the program failed");
        });
        return;
    }
    // There is nobody left to tell that standard error is closed.
    let _closed = writeln!(std::io::stderr(), "civiclens: {error:#}");
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn other_crates_are_heard_up_to_info_and_ours_at_every_level() {
        for target in ["sqlx::query", "redis", "async_nats::connection", "rustls", "log", "civiclensx", ""] {
            for (level, allowed) in [
                (Level::ERROR, true),
                (Level::WARN, true),
                (Level::INFO, true),
                (Level::DEBUG, false),
                (Level::TRACE, false),
            ] {
                assert_eq!(is_allowed(target, level), allowed, "{target} {level}");
            }
        }
        for target in ["civiclens", "civiclens::http", "civiclens_actors::otp", "civiclens_nats::publish"] {
            assert!(is_allowed(target, Level::TRACE), "{target}");
        }
    }
}
