//! Whose password is worked on next: the queue before a pool of threads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use super::Error;
use crate::domain::fair_queue::{FairQueue, InHand, Offered, Requester};

/// The queue before a pool of threads. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Turns(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    name: &'static str,
    state: Mutex<State>,
    empty: Notify,
    occupancy: metrics::Gauge,
}

#[derive(Debug)]
struct State {
    queue: FairQueue<oneshot::Sender<Turn>>,
    closed: bool,
}

/// The right to one thread. It travels with the work and ends with it, not with the caller.
#[derive(Debug)]
pub(super) struct Turn {
    turns: Turns,
    in_hand: Option<InHand>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(in_hand) = self.in_hand.take() {
            self.turns.lock().queue.done(in_hand);
            self.turns.serve();
        }
    }
}

impl Turns {
    /// A queue before `threads`, in which `places` may wait.
    pub(super) fn new(name: &'static str, threads: usize, places: usize) -> Self {
        let state = Mutex::new(State { queue: FairQueue::new(threads, places), closed: false });
        let occupancy = metrics::gauge!("civiclens_mailbox_occupancy", "actor" => name);
        Self(Arc::new(Shared { name, state, empty: Notify::new(), occupancy }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn, until `deadline` at most.
    ///
    /// # Errors
    /// [`Error::Busy`] where no place is left, or this one was given up to somebody who asked for less;
    /// [`Error::Late`] after the deadline.
    pub(super) async fn wait(&self, requester: Requester, deadline: Instant) -> Result<Turn, Error> {
        let (sender, turn) = oneshot::channel();
        let admitted = {
            let mut state = self.lock();
            state.queue.retain(|waiting| !waiting.is_closed());
            // Dropping the sender of whoever gave up their place tells them.
            !state.closed && !matches!(state.queue.offer(requester, sender), Offered::Refused)
        };
        if !admitted {
            return Err(self.refused());
        }
        self.serve();
        match tokio::time::timeout_at(deadline.into(), turn).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_)) => Err(self.refused()),
            Err(_) => Err(Error::Late),
        }
    }

    /// Gives a turn to everybody who can have one now.
    fn serve(&self) {
        loop {
            let next = {
                let mut state = self.lock();
                let next = state.queue.take_next();
                let left = state.queue.in_hand() + state.queue.waiting();
                self.0.occupancy.set(f64::from(u32::try_from(left).unwrap_or(u32::MAX)));
                if left == 0 {
                    self.0.empty.notify_waiters();
                }
                next
            };
            let Some((in_hand, waiting)) = next else { return };
            let turn = Turn { turns: self.clone(), in_hand: Some(in_hand) };
            if let Err(mut unwanted) = waiting.send(turn)
                && let Some(in_hand) = unwanted.in_hand.take()
            {
                // They left. Not by dropping the turn, which would serve the next from within.
                self.lock().queue.done(in_hand);
            }
        }
    }

    fn refused(&self) -> Error {
        metrics::counter!("civiclens_mailbox_refused_total", "actor" => self.0.name).increment(1);
        Error::Busy
    }

    /// Waits until nobody waits or is worked for any more, and admits nobody again.
    pub(super) async fn close(&self) {
        loop {
            let empty = self.0.empty.notified();
            {
                let mut state = self.lock();
                state.closed = true;
                if state.queue.in_hand() + state.queue.waiting() == 0 {
                    return;
                }
            }
            empty.await;
        }
    }
}
