//! The send breaker: stops SMS pumping, where codes are requested that nobody ever enters.
//!
//! Codes are counted in buckets of the time of issue, by whom they were asked for (address, network, wide network) and by
//! block of numbers. An origin that does not enter its codes is refused first: it may leave some unanswered, and as many more
//! as it entered. A block of numbers is paused only on evidence from several wide networks, and only for callers of whose
//! network nothing good is known; the same for all blocks together, on evidence from many. A known device is never refused.
//! Blocks are judged by codes that can no longer be entered, origins by all. ADR 0030.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The length of a bucket.
const BUCKET_SECONDS: i64 = 300;
/// From how many wide networks unanswered codes must come before a block is paused.
const BLOCK_NETWORKS: u32 = 5;
/// From how many wide networks they must come before everything is paused.
const ALL_NETWORKS: u32 = 20;
/// How many times as many codes as for a block must have been sent before everything is paused.
const ALL_FACTOR: u32 = 10;
/// How many unanswered codes of one address count as evidence for a pause: what one address does is answered by refusing it.
const ADDRESS_EVIDENCE: u32 = 5;
/// How many entered codes make an origin's history worth something.
const GOOD_ENTERED: u32 = 3;

/// The bucket of codes issued at `time`.
pub fn bucket(time: DateTime<Utc>) -> i64 {
    time.timestamp().div_euclid(BUCKET_SECONDS)
}

/// Whether a refusal is carried out or only recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What a rule refuses is refused.
    #[default]
    Enforce,
    /// What a rule would refuse is recorded and sent.
    Record,
}

/// What refuses a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The address left too many codes unanswered.
    Address,
    /// Its network did: a /24, or a /48 of IPv6.
    Network,
    /// Its wide network did: a /16, or a /32 of IPv6.
    WideNetwork,
    /// Codes to this block of numbers are paused.
    Block,
    /// All codes are paused.
    Everything,
}

impl Rule {
    /// Its name in metrics and rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Network => "network",
            Self::WideNetwork => "wide_network",
            Self::Block => "block",
            Self::Everything => "everything",
        }
    }
}

/// What became of some codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// How many were sent.
    pub sent: u32,
    /// How many of them were entered.
    pub entered: u32,
}

impl Funnel {
    const fn unanswered(self) -> u32 {
        self.sent.saturating_sub(self.entered)
    }

    /// The same with at most so many unanswered.
    fn at_most(self, unanswered: u32) -> Self {
        Self { sent: self.entered.saturating_add(self.unanswered().min(unanswered)), ..self }
    }

    /// Both together.
    pub const fn and(self, other: Self) -> Self {
        Self { sent: self.sent.saturating_add(other.sent), entered: self.entered.saturating_add(other.entered) }
    }

    const fn without(self, other: Self) -> Self {
        Self { sent: self.sent.saturating_sub(other.sent), entered: self.entered.saturating_sub(other.entered) }
    }
}

/// The codes of one origin, by bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(BTreeMap<i64, Funnel>);

impl History {
    /// Adds codes that were issued in `bucket`.
    pub fn add(&mut self, bucket: i64, funnel: Funnel) {
        let entry = self.0.entry(bucket).or_default();
        *entry = entry.and(funnel);
    }

    /// Forgets what was issued before `bucket`.
    pub fn forget_before(&mut self, bucket: i64) {
        self.0 = self.0.split_off(&bucket);
    }

    fn total(&self) -> Funnel {
        self.0.values().fold(Funnel::default(), |total, funnel| total.and(*funnel))
    }

    /// If `is_bad` holds, the last bucket that must be forgotten until it holds no more.
    fn bad_until(&self, is_bad: impl Fn(Funnel) -> bool) -> Option<i64> {
        let mut rest = self.total();
        if !is_bad(rest) {
            return None;
        }
        for (bucket, funnel) in &self.0 {
            rest = rest.without(*funnel);
            if !is_bad(rest) {
                return Some(*bucket);
            }
        }
        self.0.keys().next_back().copied()
    }
}

/// What is known of those who ask for a code: of their address and of the networks around it.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The address, or the /64 of IPv6.
    pub address: History,
    /// The /24, or the /48 of IPv6.
    pub network: History,
    /// The /16, or the /32 of IPv6.
    pub wide: History,
}

impl Origin {
    /// Whether enough codes were entered from there: a pause is not for them.
    fn is_good(&self) -> bool {
        [&self.address, &self.network, &self.wide].into_iter().any(|history| {
            let Funnel { sent, entered } = history.total();
            entered >= GOOD_ENTERED && entered.saturating_mul(2) >= sent
        })
    }
}

/// Who asks for a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A device that signed in to the account before.
    KnownDevice,
    /// Somebody in a network that the operator vouches for.
    ExemptNetwork,
    /// Anybody else.
    Stranger,
}

/// What is paused, each until the given bucket leaves the window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// Blocks of numbers.
    pub blocks: HashMap<String, i64>,
    /// Everything.
    pub everything: Option<i64>,
}

/// Why a code is refused, and until which bucket leaves the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub rule: Rule,
    /// The bucket that must leave the window.
    pub until: i64,
}

impl Refusal {
    /// How long from `now` until it ends by itself, with a window of this length.
    pub fn ends_in(self, window: Duration, now: DateTime<Utc>) -> Duration {
        let window = i64::try_from(window.as_secs()).unwrap_or(i64::MAX / 4);
        let end = (self.until + 1) * BUCKET_SECONDS + window;
        Duration::from_secs(u64::try_from(end - now.timestamp()).unwrap_or_default().max(1))
    }
}

/// Where codes went, and who asked for them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The block of numbers.
    pub block: String,
    /// The address.
    pub address: String,
    /// The wide network of the address.
    pub wide: String,
}

/// The codes of settled buckets, by bucket.
pub type Settled = BTreeMap<i64, HashMap<Path, Funnel>>;

/// When the breaker refuses.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How many codes an address may leave unanswered, besides as many as it entered.
    pub address_unanswered: u32,
    /// The same for a network.
    pub network_unanswered: u32,
    /// The same for a wide network.
    pub wide_network_unanswered: u32,
    /// How many codes must have been sent to a block before the share of those entered means anything.
    pub min_sent: u32,
    /// The smallest share of entered codes, in percent, that is still plausible.
    pub min_entered_percent: u32,
}

impl Rules {
    /// The first rule that refuses a code for a number of `block`, if one does.
    pub fn refuse(&self, caller: Caller, origin: &Origin, block: &str, pauses: &Pauses) -> Option<Refusal> {
        if caller != Caller::Stranger {
            return None;
        }
        let origins = [
            (Rule::Address, &origin.address, self.address_unanswered),
            (Rule::Network, &origin.network, self.network_unanswered),
            (Rule::WideNetwork, &origin.wide, self.wide_network_unanswered),
        ];
        let refused = origins.into_iter().find_map(|(rule, history, most)| {
            let used_up = |funnel: Funnel| funnel.unanswered() >= most.saturating_add(funnel.entered);
            history.bad_until(used_up).map(|until| Refusal { rule, until })
        });
        refused.or_else(|| {
            let block = pauses.blocks.get(block).map(|until| Refusal { rule: Rule::Block, until: *until });
            let all = pauses.everything.map(|until| Refusal { rule: Rule::Everything, until });
            block.or(all).filter(|_| !origin.is_good())
        })
    }

    /// What is paused, judged by settled buckets. `resumed` says since which bucket a block, or [`EVERYTHING`], counts again
    /// after an operator lifted its pause.
    pub fn pauses(&self, settled: &Settled, resumed: &HashMap<String, i64>) -> Pauses {
        let since = |name: &str| resumed.get(name).copied().unwrap_or(i64::MIN);
        let everywhere = since(EVERYTHING);
        let blocks: HashSet<&str> = settled.values().flat_map(HashMap::keys).map(|path| path.block.as_str()).collect();
        let blocks = blocks.into_iter().filter_map(|block| {
            let first = since(block).max(everywhere);
            let until = self.paused_until(settled, first, |other| other == block, self.min_sent, BLOCK_NETWORKS)?;
            Some((block.to_owned(), until))
        });
        let enough = self.min_sent.saturating_mul(ALL_FACTOR);
        Pauses {
            blocks: blocks.collect(),
            everything: self.paused_until(settled, everywhere, |_| true, enough, ALL_NETWORKS),
        }
    }

    fn paused_until(
        &self,
        settled: &Settled,
        first: i64,
        counts: impl Fn(&str) -> bool,
        min_sent: u32,
        networks: u32,
    ) -> Option<i64> {
        let mut last = None;
        for start in settled.range(first..).map(|(bucket, _)| *bucket) {
            let mut by_address: HashMap<(&str, &str), Funnel> = HashMap::new();
            for (path, funnel) in settled.range(start..).flat_map(|(_, funnels)| funnels) {
                if counts(&path.block) {
                    let sum = by_address.entry((&path.wide, &path.address)).or_default();
                    *sum = sum.and(*funnel);
                }
            }
            let mut by_network: HashMap<&str, Funnel> = HashMap::new();
            for ((wide, _), funnel) in by_address {
                let sum = by_network.entry(wide).or_default();
                *sum = sum.and(funnel.at_most(ADDRESS_EVIDENCE));
            }
            if !self.is_pumping(by_network.into_values(), min_sent, networks) {
                return last;
            }
            last = Some(start);
        }
        last
    }

    /// Whether too small a share was entered. No network counts for more than its part of the evidence that is needed, so that
    /// one alone never is enough.
    fn is_pumping(&self, by_network: impl Iterator<Item = Funnel>, min_sent: u32, networks: u32) -> bool {
        let most = min_sent.div_ceil(networks).max(1);
        let evidence = by_network.fold(Funnel::default(), |sum, funnel| sum.and(funnel.at_most(most)));
        let needed = u64::from(evidence.sent) * u64::from(self.min_entered_percent);
        evidence.sent >= min_sent && u64::from(evidence.entered) * 100 < needed
    }
}

/// The name under which all blocks are resumed together.
pub const EVERYTHING: &str = "all";

/// The buckets whose codes can no longer be entered at `now`, back to the start of `window`.
pub fn settled(now: DateTime<Utc>, lifetime: Duration, window: Duration) -> std::ops::Range<i64> {
    let seconds = |length: Duration| i64::try_from(length.as_secs()).unwrap_or(i64::MAX / 2);
    let end = (now.timestamp() - seconds(lifetime)).div_euclid(BUCKET_SECONDS);
    end - (seconds(window) / BUCKET_SECONDS).max(1)..end
}

/// The first bucket of the window that ends at `now`.
pub fn window_start(now: DateTime<Utc>, window: Duration) -> i64 {
    bucket(now) - i64::try_from(window.as_secs()).unwrap_or(i64::MAX / 2) / BUCKET_SECONDS
}

#[cfg(test)]
mod tests;
