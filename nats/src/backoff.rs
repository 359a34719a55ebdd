//! How long to wait before trying again.

use std::time::Duration;

/// Waiting times that double from `base` up to `cap`, spread out so that many jobs which failed together do not all
/// come back together. The spread comes from the job's sequence number, not from chance: the same job waits the same
/// time, which keeps tests exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for Backoff {
    /// From one second to five minutes: eight attempts span about four minutes.
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_mins(5) }
    }
}

impl Backoff {
    /// The wait after failure number `attempt` (from 1) of message `sequence`: between three quarters of the nominal
    /// time and all of it.
    pub fn delay(&self, attempt: u64, sequence: u64) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX).min(30);
        let nominal = self.base.saturating_mul(2_u32.saturating_pow(doublings)).min(self.cap);
        let spread = nominal / 4 / 1024 * u32::from(scatter(sequence, attempt));
        nominal.saturating_sub(spread)
    }

    /// The wait that somebody `asked` for, such as a provider in `Retry-After`; without one, [`delay`](Self::delay). Never
    /// longer than the cap: a message that waits counts as in hand, and enough of them stop everything behind them.
    pub fn asked_or_delay(&self, asked: Option<Duration>, attempt: u64, sequence: u64) -> Duration {
        asked.map_or_else(|| self.delay(attempt, sequence), |asked| asked.min(self.cap))
    }
}

/// A number below 1024 that looks random in the sequence (Fibonacci hashing).
fn scatter(sequence: u64, attempt: u64) -> u16 {
    let mixed = (sequence ^ attempt.rotate_left(32)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    u16::try_from(mixed >> 54).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn doubles_and_is_repeatable() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(1) };
        assert_eq!(backoff.delay(3, 99), backoff.delay(3, 99));
        assert!(backoff.delay(4, 99) > backoff.delay(2, 99));
        assert_ne!(backoff.delay(1, 1), backoff.delay(1, 2));
    }

    #[test]
    fn what_is_asked_for_counts_up_to_the_cap() {
        let backoff = Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(1) };
        let wait = |asked| backoff.asked_or_delay(asked, 2, 7);
        assert_eq!(wait(Some(Duration::from_secs(30))), Duration::from_secs(30));
        assert_eq!(wait(Some(Duration::from_hours(1))), Duration::from_mins(1));
        assert_eq!(wait(None), backoff.delay(2, 7));
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(attempt in 1_u64.., sequence: u64) {
            let backoff = Backoff::default();
            let delay = backoff.delay(attempt, sequence);
            prop_assert!(delay >= backoff.base * 3 / 4 && delay <= backoff.cap);
        }
    }
}
