//! When sessions were last used: gathered in memory, written in batches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

use crate::domain::principal::SessionId;

/// The most sessions that are remembered between two batches; beyond, the use of further ones is not noted.
const MOST: usize = 200_000;

/// The uses since the last batch. A session that is used a thousand times is written once.
#[derive(Debug, Default)]
pub(super) struct Activity(Mutex<HashMap<SessionId, DateTime<Utc>>>);

impl Activity {
    /// Notes a use.
    pub(super) fn note(&self, session: SessionId, now: DateTime<Utc>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() < MOST || noted.contains_key(&session) {
            noted.insert(session, now);
        }
    }

    /// Takes what was noted.
    pub(super) fn take(&self) -> HashMap<SessionId, DateTime<Utc>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts back what could not be written; what was noted meanwhile is newer and stays.
    pub(super) fn put_back(&self, batch: impl Iterator<Item = (SessionId, DateTime<Utc>)>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (session, time) in batch {
            if noted.len() >= MOST {
                return;
            }
            noted.entry(session).or_insert(time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_use_is_kept_also_after_a_failed_batch() {
        let (activity, start) = (Activity::default(), DateTime::UNIX_EPOCH);
        let at = |seconds| start + chrono::Duration::seconds(seconds);
        activity.note(1.into(), at(1));
        activity.note(1.into(), at(2));
        activity.note(2.into(), at(3));
        let batch = activity.take();
        assert_eq!(batch, HashMap::from([(1.into(), at(2)), (2.into(), at(3))]));
        activity.note(1.into(), at(9));
        activity.put_back(batch.into_iter());
        assert_eq!(activity.take(), HashMap::from([(1.into(), at(9)), (2.into(), at(3))]));
    }
}
