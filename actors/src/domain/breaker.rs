//! The send breaker: stops SMS pumping, where codes are requested that nobody ever enters.
//!
//! Codes are counted by block of numbers and for all blocks together, in buckets of the time of issue. A bucket is judged
//! once its codes can no longer be entered. A block is open (sending paused) while enough codes were sent in the window
//! and too small a share of them was entered.

use std::collections::{HashMap, HashSet};

/// The name under which all blocks are counted together.
pub const EVERYWHERE: &str = "all";

/// When the breaker opens.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// How many codes must have been sent before the share means anything.
    pub min_sent: u32,
    /// The smallest share of entered codes, in percent, that is still plausible.
    pub min_entered_percent: u32,
}

/// What became of the codes of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// How many were sent.
    pub sent: u32,
    /// How many of them were entered.
    pub entered: u32,
}

impl Rule {
    /// Whether sending should pause.
    pub fn trips(self, funnel: Funnel) -> bool {
        let needed = u64::from(funnel.sent) * u64::from(self.min_entered_percent);
        funnel.sent >= self.min_sent && u64::from(funnel.entered) * 100 < needed
    }

    /// The blocks for which sending should pause.
    pub fn open(self, funnels: &HashMap<String, Funnel>) -> HashSet<String> {
        let mut every = Funnel::default();
        for funnel in funnels.values() {
            every.sent = every.sent.saturating_add(funnel.sent);
            every.entered = every.entered.saturating_add(funnel.entered);
        }
        // All together means little unless it is clearly more than one block.
        let wide = Self { min_sent: self.min_sent.saturating_mul(10), ..self };
        let mut open: HashSet<String> =
            funnels.iter().filter(|(_, funnel)| self.trips(**funnel)).map(|(block, _)| block.clone()).collect();
        if wide.trips(every) {
            open.insert(EVERYWHERE.to_owned());
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule { min_sent: 200, min_entered_percent: 10 };

    #[test]
    fn it_opens_exactly_below_the_share_and_above_the_sample() {
        assert!(RULE.trips(Funnel { sent: 200, entered: 19 }));
        assert!(!RULE.trips(Funnel { sent: 200, entered: 20 }));
        assert!(!RULE.trips(Funnel { sent: 199, entered: 0 }));
    }

    #[test]
    fn one_bad_block_does_not_stop_the_others_but_many_stop_all() {
        let bad = Funnel { sent: 300, entered: 1 };
        let good = Funnel { sent: 5000, entered: 4000 };
        let one = HashMap::from([("+91987".to_owned(), bad), ("+91900".to_owned(), good)]);
        assert_eq!(RULE.open(&one), HashSet::from(["+91987".to_owned()]));
        let many = (0..10).map(|n| (format!("+9198{n}"), bad)).collect();
        assert!(RULE.open(&many).contains(EVERYWHERE));
    }

    proptest! {
        #[test]
        fn more_entered_codes_never_open_it(sent: u32, entered: u32, more: u32) {
            let before = Funnel { sent, entered };
            let after = Funnel { sent, entered: entered.saturating_add(more) };
            prop_assert!(RULE.trips(before) || !RULE.trips(after));
        }
    }
}
