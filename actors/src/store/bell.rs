//! Wakes the relays when messages are committed, but not for each commit of many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// For how long after a commit that wakes the relays others need not: a relay that found messages looks again, several times
/// this later, before it rests. PostgreSQL makes those who notify wait for each other.
const HEARD: Duration = Duration::from_millis(5);

/// The wake-ups of one process. A commit that takes far longer than [`HEARD`] may find the relays at rest; they look by
/// themselves every second.
#[derive(Debug)]
pub(super) struct Bell {
    hung: Instant,
    /// When it rang last, in microseconds since it was hung; 0 for never.
    rung: AtomicU64,
}

impl Bell {
    /// A bell that has not rung.
    pub(super) fn new() -> Self {
        Self { hung: Instant::now(), rung: AtomicU64::new(0) }
    }

    /// Whether a commit of this moment must wake the relays. One of several at once does.
    pub(super) fn rings(&self) -> bool {
        self.rings_at(Instant::now())
    }

    /// Says that the commit that rang did not come to pass: the next one rings.
    pub(super) fn was_for_nothing(&self) {
        self.rung.store(0, Ordering::Relaxed);
    }

    fn rings_at(&self, now: Instant) -> bool {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let now = micros(now.duration_since(self.hung)).max(1);
        let last = self.rung.load(Ordering::Relaxed);
        let due = last == 0 || now >= last.saturating_add(micros(HEARD));
        due && self.rung.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_at_once_and_then_not_until_it_was_heard() {
        let bell = Bell::new();
        let at = |micros| bell.hung + Duration::from_micros(micros);
        let rung: Vec<_> = [0, 0, 4_999, 5_001, 5_002, 60_000].map(|micros| bell.rings_at(at(micros))).into();
        assert_eq!(rung, [true, false, false, true, false, true]);
    }

    #[test]
    fn after_it_rang_for_nothing_it_rings_again() {
        let bell = Bell::new();
        assert!(bell.rings_at(bell.hung) && !bell.rings_at(bell.hung));
        bell.was_for_nothing();
        assert!(bell.rings_at(bell.hung));
    }

    #[test]
    fn of_many_at_once_one_rings_it() {
        let bell = Bell::new();
        let rung = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| bell.rings_at(bell.hung))).collect();
            threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|rung| *rung).count()
        });
        assert_eq!(rung, 1);
    }
}
