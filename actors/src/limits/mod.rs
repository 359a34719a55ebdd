//! Limits: budgets ("at most N in any such stretch of time") and the lock of an account after failed logins.
//!
//! Owns nothing in memory: logs and locks are in Redis, where one script each reads and writes them, so that all replicas
//! share them. When Redis is away every limit is closed: [`Unavailable`]. May touch: Redis.

mod by_address;
mod lockout;
mod one_by_one;

use std::sync::Arc;
use std::time::Duration;

use redis::Script;

pub use self::by_address::AddressLimit;
pub use self::lockout::{Attempt, Lockout, LockoutConfig, Refused, Subject};
use crate::domain::clock::Clock;
use crate::domain::limit::{Budget, Rate};
use crate::settlement::TakeBack;
use crate::short_memory::{ShortMemory, Unavailable, script};

/// The functions that look at logs, for scripts that need them.
pub(crate) const LOG_LUA: &str = include_str!("scripts/log.lua");
/// The functions that count failures and lock, for scripts that need them.
pub(crate) const LOCK_LUA: &str = include_str!("scripts/lock.lua");

/// Milliseconds, as scripts count.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// One limit to be taken from: its name, whom it counts, and how many it allows.
#[derive(Clone, Debug)]
pub struct Limit<'a> {
    /// What it limits, such as `password_reset`.
    pub name: &'a str,
    /// Whom it counts: a phone, an address.
    pub subject: &'a str,
    /// How many in which time.
    pub rate: Rate,
}

/// Why nothing was taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A limit was reached.
    #[error("a limit was reached")]
    Reached(Budget),
    /// Redis.
    #[error(transparent)]
    ShortMemory(#[from] Unavailable),
}

/// Budgets. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Limits {
    memory: ShortMemory,
    clock: Arc<dyn Clock>,
    take: Script,
    give_back: Script,
}

impl Limits {
    /// Budgets in `memory`.
    pub fn new(memory: ShortMemory, clock: Arc<dyn Clock>) -> Self {
        Self {
            memory,
            clock,
            take: script(&[LOG_LUA, include_str!("scripts/take.lua")].concat()),
            give_back: script(include_str!("scripts/give_back.lua")),
        }
    }

    fn key(&self, limit: &Limit<'_>) -> String {
        self.memory.key(&["limit", limit.name, limit.subject])
    }

    /// Takes one from each of `limits`, or from none. Answers what is left of the first. `id` names what was taken.
    pub async fn take(&self, id: &str, limits: &[Limit<'_>]) -> Result<Budget, Error> {
        let mut take = self.take.prepare_invoke();
        take.arg(self.clock.now().timestamp_millis()).arg(id);
        for limit in limits {
            take.key(self.key(limit)).arg(limit.rate.count).arg(millis(limit.rate.window));
        }
        let taken: Result<(bool, usize, u32, u64), Unavailable> = self.memory.run(&take).await;
        let (granted, which, remaining, reset) = taken.inspect_err(|error| {
            let keys = limits.iter().map(|limit| self.key(limit)).collect();
            let script = self.give_back.clone();
            self.memory.settle(error, || TakeBack { script, keys, arguments: vec![id.to_owned()] });
        })?;
        let count = limits.get(which.saturating_sub(1)).map_or(0, |limit| limit.rate.count);
        let budget = Budget { limit: count, remaining, reset: Duration::from_millis(reset) };
        if granted { Ok(budget) } else { Err(Error::Reached(budget)) }
    }

    /// Gives back what was taken under `id`.
    pub async fn give_back(&self, id: &str, limits: &[Limit<'_>]) -> Result<(), Unavailable> {
        let mut give_back = self.give_back.prepare_invoke();
        give_back.arg(id);
        for limit in limits {
            give_back.key(self.key(limit));
        }
        self.memory.run(&give_back).await
    }
}
