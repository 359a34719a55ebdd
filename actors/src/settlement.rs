//! Unclear outcomes, settled. When Redis does not answer in time nobody knows whether it did what it was asked to: an unclear
//! outcome is never taken for none. What may have been taken is given back in the background, by its id, as soon as Redis answers.
//!
//! Owns: tasks, one for each outcome that is to be settled. Bound: `MOST` at once, and `TRIES` each; beyond, what was taken stays
//! taken until it expires. May touch: Redis.

use std::time::Duration;

use redis::Script;

use crate::short_memory::{ShortMemory, Unavailable};

/// How many outcomes may wait to be settled.
pub(crate) const MOST: usize = 4096;
/// How often one is tried.
const TRIES: u32 = 120;
/// How long after one try the next is made.
const PAUSE: Duration = Duration::from_secs(1);
/// How long after Redis did it, it does it once more: what is to be taken back may have been on its way on another connection.
const LATEST: Duration = Duration::from_secs(5);

/// What takes back, by its id, what an operation may have done. Doing it twice, or where nothing was done, changes nothing.
#[derive(Debug)]
pub(crate) struct TakeBack {
    pub(crate) script: Script,
    pub(crate) keys: Vec<String>,
    pub(crate) arguments: Vec<String>,
}

impl TakeBack {
    async fn run(&self, memory: &ShortMemory) -> Result<(), Unavailable> {
        let mut invocation = self.script.prepare_invoke();
        for key in &self.keys {
            invocation.key(key);
        }
        for argument in &self.arguments {
            invocation.arg(argument);
        }
        memory.run::<redis::Value>(&invocation).await.map(|_| ())
    }
}

impl ShortMemory {
    /// Settles the outcome of an operation that failed with `error`: if it may have been done all the same, it is taken back.
    pub(crate) fn settle(&self, error: &Unavailable, take_back: impl FnOnce() -> TakeBack) {
        if !error.is_unclear() {
            return;
        }
        let Ok(permit) = self.settling().try_acquire_owned() else {
            tracing::warn!("too many unclear outcomes: what one may have taken stays taken until it expires");
            return;
        };
        metrics::counter!("civiclens_redis_unclear_total").increment(1);
        let (memory, take_back) = (self.clone(), take_back());
        tokio::spawn(async move {
            let _permit = permit;
            for _ in 0..TRIES {
                if take_back.run(&memory).await.is_ok() {
                    tokio::time::sleep(LATEST).await;
                    if take_back.run(&memory).await.is_ok() {
                        return;
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
            tracing::warn!("an unclear outcome could not be settled");
        });
    }
}
