//! What the service writes about its work, in this process.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once};

use civiclens::telemetry::log_filter;
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

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
            // The most that an operator can ask for, through the filter of the program.
            let filter = dynamic_filter_fn(|_, _| RECORDING.load(Ordering::Relaxed));
            let lines = fmt::layer().without_time().with_ansi(false).with_writer(|| Writer).with_filter(filter);
            registry().with(log_filter("trace").unwrap()).with(lines).init();
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
