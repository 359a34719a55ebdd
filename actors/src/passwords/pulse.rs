//! When a pool last finished something.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// When a pool last finished something.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<Option<Instant>>);

impl Pulse {
    /// Something was finished.
    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether something was finished not longer than `period` ago.
    pub(super) fn felt_within(&self, period: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        last.is_some_and(|last| last.elapsed() <= period)
    }
}
