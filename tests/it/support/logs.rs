//! What the service writes about its work, in this process.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

use tracing_subscriber::filter::{FilterExt, dynamic_filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, fmt, registry};

/// More than anybody writes down: everything of ours, and of others what they say to who looks for a fault. Not every
/// statement with its duration: among so many digits some look like a code.
const FILTER: &str =
    "debug,sqlx=info,civiclens=trace,civiclens_actors=trace,civiclens_nats=trace,redis=trace,async_nats=trace";

static RECORDING: AtomicBool = AtomicBool::new(false);
static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes down what every part of this process logs, until it is read. Stories that are told meanwhile are in it, too.
#[derive(Debug)]
pub(crate) struct Logs;

impl Logs {
    pub(crate) fn record() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let filter = EnvFilter::new(FILTER).and(dynamic_filter_fn(|_, _| RECORDING.load(Ordering::Relaxed)));
            let lines = fmt::layer().without_time().with_ansi(false).with_writer(|| Writer).with_filter(filter);
            registry().with(lines).init();
        });
        LINES.lock().unwrap().clear();
        RECORDING.store(true, Ordering::Relaxed);
        Self
    }

    /// Everything that was logged.
    pub(crate) fn read(self) -> String {
        drop(self);
        String::from_utf8(std::mem::take(&mut LINES.lock().unwrap())).unwrap()
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        RECORDING.store(false, Ordering::Relaxed);
    }
}
