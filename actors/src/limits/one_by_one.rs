//! One attempt after the other: of the same subject from the same address, a node lets one be in hand.
//!
//! So that many right logins at once are not taken for many failures at once, and many wrong ones never get beyond the
//! budget: each waits to hear what became of the one before. Bound: so many wait for one subject and address.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many may wait for the same. Whoever tries more at once is answered at once.
const WAITING: usize = 32;

/// Who waits for whom. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct OneByOne(Arc<Mutex<HashMap<String, Line>>>);

#[derive(Debug)]
struct Line {
    one: Arc<Semaphore>,
    waiting: usize,
}

/// The right to be the one. Passes on when dropped.
#[derive(Debug)]
pub(super) struct Turn {
    // Before the place: the next one in the line goes on first.
    _one: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a line, which goes with its last one.
#[derive(Debug)]
struct Place {
    lines: OneByOne,
    key: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.lines.lock();
        if let Some(line) = lines.get_mut(&self.key) {
            line.waiting -= 1;
            if line.waiting == 0 {
                lines.remove(&self.key);
            }
        }
    }
}

impl OneByOne {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits to be the one of `key`, `patience` at most. Answers `None` if it was not to be: too many wait, or too long.
    pub(super) async fn turn(&self, key: String, patience: Duration) -> Option<Turn> {
        let (one, place) = {
            let mut lines = self.lock();
            let line =
                lines.entry(key.clone()).or_insert_with(|| Line { one: Arc::new(Semaphore::new(1)), waiting: 0 });
            if line.waiting > WAITING {
                return None;
            }
            line.waiting += 1;
            (Arc::clone(&line.one), Place { lines: self.clone(), key })
        };
        let one = tokio::time::timeout(patience, one.acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _one: one, _place: place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[actix::test]
    async fn one_is_in_hand_and_what_is_over_leaves_nothing() {
        let lines = OneByOne::default();
        let first = lines.turn("a".to_owned(), LONG).await.unwrap();
        let other = lines.turn("b".to_owned(), LONG).await.unwrap();
        assert!(lines.turn("a".to_owned(), Duration::from_millis(1)).await.is_none());
        let next = actix::spawn({
            let lines = lines.clone();
            async move { lines.turn("a".to_owned(), LONG).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        let next = next.await.unwrap().unwrap();
        drop((next, other));
        assert!(lines.lock().is_empty());
    }

    #[actix::test]
    async fn who_tries_too_many_at_once_is_answered_at_once() {
        let lines = OneByOne::default();
        let first = lines.turn("a".to_owned(), LONG).await;
        let waiting: Vec<_> = (0..WAITING)
            .map(|_| {
                let lines = lines.clone();
                actix::spawn(async move { lines.turn("a".to_owned(), LONG).await.is_some() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(lines.turn("a".to_owned(), LONG).await.is_none());
        drop(first);
        for one in waiting {
            assert!(one.await.unwrap());
        }
        assert!(lines.lock().is_empty());
    }
}
