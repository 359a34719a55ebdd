//! The send breaker over Redis and PostgreSQL: reads what is known of an origin, judges what is paused, and keeps what it
//! decided. The rules are in [`crate::domain::breaker`].
//!
//! Owns: what is paused, and the decisions that were not written yet (at most `MOST_DECISIONS` kinds; more are counted
//! together). Redis away: nothing is sent anyway, and the last judgement stands. PostgreSQL away: decisions wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};

use super::Error;
use crate::domain::breaker::{
    self, Caller, EVERYTHING, Funnel, History, Mode, Origin, Path, Pauses, Refusal, Rule, Rules, Settled,
};
use crate::domain::client::{Client, wide_network};
use crate::domain::phone::Phone;
use crate::short_memory::{ShortMemory, Unavailable};
use crate::store::Db;
use crate::store::otp_decisions::Decision;

/// How long decisions are kept.
const KEPT: TimeDelta = TimeDelta::days(31);
/// How many kinds of decisions may wait to be written.
const MOST_DECISIONS: usize = 10_000;

/// How the breaker is set.
#[derive(Clone, Debug)]
pub struct Config {
    /// When it refuses.
    pub rules: Rules,
    /// Over which time it looks back.
    pub window: Duration,
    /// Whether it refuses or only records.
    pub mode: Mode,
    /// Networks that it never refuses.
    pub exempt: Vec<(IpAddr, u8)>,
}

/// What is paused now.
#[derive(Debug, Default)]
struct State {
    pauses: Pauses,
    /// The first bucket that counts, if an operator lifted everything.
    counts_from: Option<i64>,
}

/// The breaker of one node.
#[derive(Debug)]
pub(super) struct Breaker {
    config: Config,
    memory: ShortMemory,
    db: Db,
    state: RwLock<State>,
    decisions: Mutex<HashMap<Decision, i64>>,
}

/// The key under which operators lift pauses.
fn resumed_key(memory: &ShortMemory) -> String {
    memory.key(&["limit", "otp_resumed"])
}

/// Lifts the pause of `block`, or of everything, on every node within seconds: what was sent until now counts no more.
///
/// # Errors
/// When Redis cannot be reached.
pub async fn resume(
    memory: &ShortMemory,
    block: Option<&str>,
    window: Duration,
    now: DateTime<Utc>,
) -> Result<(), Unavailable> {
    let key = resumed_key(memory);
    let mut commands = redis::pipe();
    commands.hset(&key, block.unwrap_or(EVERYTHING), breaker::bucket(now) + 1).ignore();
    let life = i64::try_from(window.as_secs()).unwrap_or(i64::MAX / 2).saturating_add(3600);
    commands.expire(&key, life).ignore();
    memory.pipeline(&commands).await
}

impl Breaker {
    pub(super) fn new(config: Config, memory: ShortMemory, db: Db) -> Self {
        Self { config, memory, db, state: RwLock::default(), decisions: Mutex::default() }
    }

    /// The keys of what is known of the address and the networks of a client.
    pub(super) fn origin_keys(&self, client: &Client) -> [String; 3] {
        client.networks().map(|network| self.memory.key(&["limit", "otp_origin", &network]))
    }

    pub(super) fn funnel_key(&self, bucket: i64) -> String {
        self.memory.key(&["limit", "otp_funnel", &bucket.to_string()])
    }

    /// Refuses a code for which a rule says so, and keeps that it did.
    pub(super) async fn check(
        &self,
        phone: &Phone,
        is_known: bool,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let exempt = self.config.exempt.iter().any(|network| contains(*network, client.ip.to_canonical()));
        let caller = match (is_known, exempt) {
            (true, _) => Caller::KnownDevice,
            (false, true) => Caller::ExemptNetwork,
            (false, false) => Caller::Stranger,
        };
        let mut read = redis::pipe();
        for key in self.origin_keys(client) {
            read.hgetall(key);
        }
        let counters: Vec<HashMap<String, i64>> = self.memory.pipeline(&read).await?;
        let refusal = {
            let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
            let start = breaker::window_start(now, self.config.window).max(state.counts_from.unwrap_or(i64::MIN));
            let mut histories = counters.into_iter().map(|counters| history(counters, start));
            let mut next = || histories.next().unwrap_or_default();
            let origin = Origin { address: next(), network: next(), wide: next() };
            self.config.rules.refuse(caller, &origin, phone.prefix(), &state.pauses)
        };
        let Some(refusal) = refusal else { return Ok(()) };
        self.note(refusal.rule, phone, client, now);
        metrics::counter!("civiclens_otp_refused_total", "rule" => refusal.rule.as_str()).increment(1);
        if self.config.mode == Mode::Record {
            return Ok(());
        }
        metrics::counter!("civiclens_otp_paused_total").increment(1);
        Err(self.error(refusal, now))
    }

    fn error(&self, refusal: Refusal, now: DateTime<Utc>) -> Error {
        let left = refusal.ends_in(self.config.window, now);
        match refusal.rule {
            Rule::Block | Rule::Everything => Error::Paused(left),
            Rule::Address | Rule::Network | Rule::WideNetwork => Error::Unanswered(left),
        }
    }

    fn note(&self, rule: Rule, phone: &Phone, client: &Client, now: DateTime<Utc>) {
        let [_, network, _] = client.networks();
        let hour = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
        let enforced = self.config.mode == Mode::Enforce;
        let country = phone.country().unwrap_or_default();
        let mut decision = Decision { hour, rule: rule.as_str(), enforced, country, network };
        let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
        if decisions.len() >= MOST_DECISIONS && !decisions.contains_key(&decision) {
            "others".clone_into(&mut decision.network);
        }
        *decisions.entry(decision).or_default() += 1;
    }

    /// Writes the decisions that wait, and forgets those of more than a month ago.
    pub(super) async fn write_decisions(&self, now: DateTime<Utc>) {
        let waiting = std::mem::take(&mut *self.decisions.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.is_empty() {
            return;
        }
        let mut ordered: Vec<(Decision, i64)> = waiting.into_iter().collect();
        ordered.sort();
        let written = self.db.add_otp_decisions(&ordered).await;
        if let Err(error) = written {
            tracing::warn!(%error, "what the breaker decided could not be written yet");
            let mut decisions = self.decisions.lock().unwrap_or_else(PoisonError::into_inner);
            for (decision, count) in ordered {
                *decisions.entry(decision).or_default() += count;
            }
        } else if let Err(error) = self.db.clean_otp_decisions(now - KEPT).await {
            tracing::debug!(%error, "old decisions of the breaker stay for now");
        }
    }

    /// Judges what is paused, and tells of what changed.
    pub(super) async fn judge(&self, lifetime: Duration, now: DateTime<Utc>) -> Result<(), Unavailable> {
        let range = breaker::settled(now, lifetime, self.config.window);
        let mut read = redis::pipe();
        read.hgetall(resumed_key(&self.memory));
        for bucket in range.clone() {
            read.hgetall(self.funnel_key(bucket));
        }
        let mut answers: Vec<HashMap<String, i64>> = self.memory.pipeline(&read).await?;
        let funnels = answers.split_off(1);
        let resumed = answers.pop().unwrap_or_default();
        let settled: Settled = range.zip(funnels.into_iter().map(paths)).collect();
        let pauses = self.config.rules.pauses(&settled, &resumed);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        tell(&state.pauses, &pauses);
        *state = State { pauses, counts_from: resumed.get(EVERYTHING).copied() };
        Ok(())
    }
}

/// Logs and measures what is paused now and was not, and the other way round.
fn tell(before: &Pauses, now: &Pauses) {
    for block in now.blocks.keys().filter(|block| !before.blocks.contains_key(*block)) {
        tracing::warn!(block, "sending codes to a block of numbers is paused: too few are being entered");
    }
    for block in before.blocks.keys().filter(|block| !now.blocks.contains_key(*block)) {
        tracing::info!(block, "codes are sent to a block of numbers again");
    }
    match (before.everything, now.everything) {
        (None, Some(_)) => tracing::error!("sending codes is paused everywhere: too few are being entered"),
        (Some(_), None) => tracing::info!("codes are sent again"),
        _ => {}
    }
    metrics::gauge!("civiclens_otp_everything_paused").set(f64::from(u8::from(now.everything.is_some())));
    let blocks = u32::try_from(now.blocks.len()).unwrap_or(u32::MAX);
    metrics::gauge!("civiclens_otp_paused_blocks").set(f64::from(blocks));
}

/// Whether an address is in a network of this prefix length.
fn contains((network, length): (IpAddr, u8), address: IpAddr) -> bool {
    let length = u32::from(length);
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(32_u32.saturating_sub(length)).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.checked_shr(128_u32.saturating_sub(length)).unwrap_or(0) == 0
        }
        _ => false,
    }
}

/// One code sent or entered, by the name of its counter.
fn funnel(what: &str, count: i64) -> Option<Funnel> {
    let count = u32::try_from(count).unwrap_or_default();
    match what {
        "sent" => Some(Funnel { sent: count, entered: 0 }),
        "entered" => Some(Funnel { sent: 0, entered: count }),
        _ => None,
    }
}

/// What an origin's counters say of the time since `start`.
fn history(counters: HashMap<String, i64>, start: i64) -> History {
    let mut history = History::default();
    for (field, count) in counters {
        if let Some((bucket, what)) = field.split_once(':')
            && let (Ok(bucket), Some(funnel)) = (bucket.parse::<i64>(), funnel(what, count))
            && bucket >= start
        {
            history.add(bucket, funnel);
        }
    }
    history
}

/// What a bucket's counters say.
fn paths(counters: HashMap<String, i64>) -> HashMap<Path, Funnel> {
    let mut paths: HashMap<Path, Funnel> = HashMap::new();
    for (field, count) in counters {
        if let Some((path, what)) = field.rsplit_once(':')
            && let (Some((block, address)), Some(funnel)) = (path.split_once('|'), funnel(what, count))
            && let Some(wide) = wide_network(address)
        {
            let path = Path { block: block.to_owned(), address: address.to_owned(), wide };
            let sum = paths.entry(path).or_default();
            *sum = sum.and(funnel);
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses() {
        let inside = |network: &str, length, address: &str| {
            contains((network.parse().unwrap(), length), address.parse().unwrap())
        };
        assert!(inside("192.0.2.0", 24, "192.0.2.255") && !inside("192.0.2.0", 24, "192.0.3.0"));
        assert!(inside("0.0.0.0", 0, "192.0.3.0") && inside("192.0.2.1", 32, "192.0.2.1"));
        assert!(inside("2001:db8::", 32, "2001:db8:1::1") && !inside("2001:db8::", 32, "2001:db9::"));
        assert!(!inside("0.0.0.0", 0, "::1"));
    }

    #[test]
    fn counters_add_up_by_path_and_origin() {
        let counters = HashMap::from([
            ("+91987|2001:db8:1:2::/64:sent".to_owned(), 3),
            ("+91987|2001:db8:1:2::/64:entered".to_owned(), 1),
            ("odd".to_owned(), 9),
        ]);
        let (block, address) = ("+91987".to_owned(), "2001:db8:1:2::/64".to_owned());
        let path = Path { block, address, wide: "2001:db8::/32".to_owned() };
        assert_eq!(paths(counters), HashMap::from([(path, Funnel { sent: 3, entered: 1 })]));
        let known =
            history(HashMap::from([("7:sent".to_owned(), 3), ("6:sent".to_owned(), 9), ("x".to_owned(), 1)]), 7);
        let mut expected = History::default();
        expected.add(7, Funnel { sent: 3, entered: 0 });
        assert_eq!(known, expected);
    }
}
