//! One pass of the relay, and the loop around it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use civiclens_nats::publish::{self, Publisher};
use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::BATCH;
use crate::domain::clock::Clock;
use crate::store::outbox::{Listener, Pending};
use crate::store::{self, Db};
use crate::supervision::{Heartbeat, StepError};

/// How many lanes one relay takes at once: half of them, so that a second relay finds work.
const LANES: i64 = 8;
/// How long the relay waits when nothing wakes it.
const POLL: Duration = Duration::from_secs(1);
/// How long it lets messages gather after a pass that found some. The first of them leaves at once.
const GATHER: Duration = Duration::from_millis(25);
/// How long it waits after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// For how long a user is passed over of whom NATS refused a message. It may refuse it for ever (a subject that no stream
/// takes, a message too large), and what is older than everything else must not keep everything else waiting.
const ASIDE: Duration = Duration::from_secs(2);
/// How often refusals are told of.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// How often published messages are cleaned up, and whether the listener still hears is looked at.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(10);
/// How long one pass may take. What it waits for has shorter limits of its own, so it takes that long only if a user's
/// messages are acknowledged slowly one after the other; what left is marked by a later pass.
const PASS: Duration = Duration::from_secs(30);
/// How long a clean-up may take.
const CLEANING: Duration = Duration::from_secs(10);
/// How long a look at the listener may take.
const LISTENER: Duration = Duration::from_secs(2);
/// How many messages one clean-up removes.
const CLEAN: i64 = 5_000;

/// Why a pass failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// NATS took nothing.
    #[error("NATS took nothing")]
    Publish(#[source] publish::Error),
}

/// The relay.
#[derive(Debug)]
pub struct Relay {
    db: Db,
    publisher: Publisher,
    clock: Arc<dyn Clock>,
    retention: chrono::Duration,
    refusals: Mutex<Refusals>,
}

/// What NATS refused.
#[derive(Debug, Default)]
struct Refusals {
    /// Who is passed over, and until when.
    aside: HashMap<i64, Instant>,
    told: Option<Instant>,
}

impl Refusals {
    /// Those who are passed over at this moment.
    fn aside(&mut self, now: Instant) -> Vec<i64> {
        self.aside.retain(|_, until| *until > now);
        self.aside.keys().copied().collect()
    }

    /// Passes over what belongs to the message's user for a while. Answers whether it is time to tell of a refusal.
    fn note(&mut self, pending: &Pending, now: Instant) -> bool {
        self.aside.insert(pending.message.key, now + ASIDE);
        let due = self.told.is_none_or(|told| now >= told + TELL_EVERY);
        if due {
            self.told = Some(now);
        }
        due
    }
}

impl Relay {
    /// A relay that keeps published messages for `retention`, to be replayed.
    pub fn new(db: Db, publisher: Publisher, clock: Arc<dyn Clock>, retention: chrono::Duration) -> Self {
        Self { db, publisher, clock, retention, refusals: Mutex::default() }
    }

    /// Publishes one batch. Answers how many messages left. What NATS refuses stays, and holds up only its own user.
    pub async fn step(&self) -> Result<usize, Error> {
        if !self.publisher.is_connected() {
            return Err(Error::Publish(publish::Error::NotConnected));
        }
        let aside = self.refusals().aside(Instant::now());
        let lease = self.db.lease_outbox(LANES, BATCH.into(), &aside).await?;
        if lease.pending.is_empty() {
            return Ok(0);
        }
        let (done, failure) = self.publish_in_order(&lease.pending).await;
        lease.commit(&done, self.clock.now()).await?;
        metrics::counter!("civiclens_outbox_published_total").increment(done.len() as u64);
        match failure {
            Some(error) if done.is_empty() => Err(Error::Publish(error)),
            _ => Ok(done.len()),
        }
    }

    fn refusals(&self) -> std::sync::MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes over the user of a message that NATS refused, and tells of it now and then.
    fn pass_over(&self, pending: &Pending, error: &publish::Error) {
        if matches!(error, publish::Error::Rejected(_)) && self.refusals().note(pending, Instant::now()) {
            let (id, subject) = (pending.message.id, &pending.message.subject);
            tracing::warn!(%id, subject, %error, "NATS refuses a message; what concerns the same user waits behind it");
        }
    }

    /// Publishes in rounds: one message of each key at a time and all keys side by side, so that what concerns one user
    /// leaves in order without waiting for the others. After a failure the rest of that key stays.
    async fn publish_in_order(&self, pending: &[Pending]) -> (Vec<i64>, Option<publish::Error>) {
        let (mut done, mut failure) = (Vec::with_capacity(pending.len()), None);
        let mut stuck = HashSet::new();
        let mut waiting: Vec<&Pending> = pending.iter().collect();
        while !waiting.is_empty() {
            let mut taken = HashSet::new();
            let (round, rest): (Vec<&Pending>, Vec<&Pending>) =
                waiting.into_iter().partition(|p| p.message.key == 0 || taken.insert(p.message.key));
            let published = join_all(round.iter().map(|p| self.publish(p))).await;
            for (message, result) in round.iter().zip(published) {
                match result {
                    Ok(()) => done.push(message.row),
                    Err(error) => {
                        self.pass_over(message, &error);
                        stuck.insert(message.message.key);
                        failure = Some(error);
                    }
                }
            }
            waiting = rest.into_iter().filter(|p| !stuck.contains(&p.message.key)).collect();
        }
        (done, failure)
    }

    async fn publish(&self, pending: &Pending) -> Result<(), publish::Error> {
        let message = &pending.message;
        if message.expires_at.is_some_and(|end| end <= self.clock.now()) {
            tracing::info!(id = %message.id, subject = message.subject, "an expired message was dropped");
            return Ok(());
        }
        let body = message.payload.clone().into_bytes();
        self.publisher
            .publish_raw(message.subject.clone(), message.id, body, message.request_id.as_deref())
            .await
            .map(|_| ())
    }

    /// Works until `stop`, woken by commits and, should a wake-up be lost, by the clock.
    pub async fn run(&self, stop: CancellationToken, heartbeat: Heartbeat) {
        let mut listener: Option<Listener> = None;
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING_EVERY);
        housekeeping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            // Listening starts before the outbox is read: a commit in between is heard, not missed.
            match &mut listener {
                Some(listener) => listener.forget(),
                None => listener = self.db.listen_outbox().await.ok(),
            }
            let pause = match heartbeat.step(PASS, self.step()).await {
                Ok(0) => POLL,
                Ok(left) if left >= usize::from(BATCH) && !stop.is_cancelled() => continue,
                Ok(_) => {
                    // Under load a pass for every commit would cost more than the commits: let some gather.
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(GATHER) => {}
                        _ = housekeeping.tick() => self.housekeep(&mut listener).await,
                    }
                    continue;
                }
                // Its users are passed over now: others may wait behind them.
                Err(StepError::Failed(Error::Publish(publish::Error::Rejected(_)))) => GATHER,
                Err(error) => {
                    tracing::debug!(%error, "the outbox waits");
                    AFTER_FAILURE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
                heard = wait_for_commit(&mut listener) => if !heard { listener = None },
                _ = housekeeping.tick() => self.housekeep(&mut listener).await,
            }
        }
    }

    /// Looks whether the listener still hears, and removes what was published long ago.
    async fn housekeep(&self, listener: &mut Option<Listener>) {
        if let Some(one) = listener
            && !matches!(timeout(LISTENER, one.is_connected()).await, Ok(true))
        {
            // Its connection is silent or gone: until it is replaced, commits are found by looking once a second.
            tracing::info!("the connection that listens for commits is lost and is replaced");
            *listener = None;
        }
        match timeout(CLEANING, self.db.clean_outbox(self.clock.now() - self.retention, CLEAN)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(removed)) => tracing::debug!(removed, "published messages were cleaned up"),
            Ok(Err(error)) => tracing::warn!(%error, "published messages could not be cleaned up"),
            Err(_) => tracing::warn!("cleaning up published messages took too long"),
        }
    }
}

/// Waits for the next commit with messages. Answers `false` if the listener broke; without one, waits for ever.
async fn wait_for_commit(listener: &mut Option<Listener>) -> bool {
    match listener {
        Some(listener) => listener.hears().await,
        None => std::future::pending().await,
    }
}
