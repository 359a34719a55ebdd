//! Lock-out: after some failures an account refuses logins for a while, each time for twice as long.

use std::time::Duration;

/// When an account is locked, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// After so many failures.
    pub attempts: u32,
    /// How long the first lock lasts.
    pub first: Duration,
    /// No lock lasts longer: a stranger who keeps failing must not shut the owner out for good.
    pub longest: Duration,
}

impl Rule {
    /// How long a lock lasts that `level` others went before.
    pub fn length(&self, level: u32) -> Duration {
        let doubled = 2u32.checked_pow(level).and_then(|times| self.first.checked_mul(times));
        doubled.unwrap_or(self.longest).min(self.longest)
    }

    /// The lengths of the first lock, the second, and so on to the first of the longest: no lock is longer.
    pub fn lengths(&self) -> Vec<Duration> {
        let mut lengths: Vec<_> = (0..32).map(|level| self.length(level)).take_while(|l| *l < self.longest).collect();
        lengths.push(self.longest);
        lengths
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[test]
    fn locks_double_up_to_the_longest() {
        let rule = Rule { attempts: 5, first: minutes(30), longest: minutes(24 * 60) };
        let minutes_of = |lengths: Vec<Duration>| lengths.into_iter().map(|l| l.as_secs() / 60).collect::<Vec<_>>();
        assert_eq!(
            minutes_of((0..8).map(|level| rule.length(level)).collect()),
            [30, 60, 120, 240, 480, 960, 1440, 1440]
        );
        assert_eq!(minutes_of(rule.lengths()), [30, 60, 120, 240, 480, 960, 1440]);
    }

    proptest! {
        #[test]
        fn locks_grow_and_stay_within_bounds(first in 1u64.., more in 0u64.., level: u32) {
            let (first, longest) = (Duration::from_secs(first), Duration::from_secs(first.saturating_add(more)));
            let rule = Rule { attempts: 5, first, longest };
            prop_assert_eq!(rule.length(0), first);
            let (now, next) = (rule.length(level), rule.length(level.saturating_add(1)));
            prop_assert!(first <= now && now <= next && next <= longest);
            prop_assert!(next == longest || next == now * 2);
        }
    }
}
