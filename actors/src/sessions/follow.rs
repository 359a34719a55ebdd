//! The loops of the Sessions actor: the revocation view is kept up to date, and uses, idle ends and old rows are looked after.

use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::broadcast::{RevocationV1, RevocationV2};
use civiclens_nats::envelope::Envelope;
use civiclens_nats::publish;
use futures::StreamExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::revocations::{Epoch, OVERLAP, REREAD_EVERY};
use super::service::Service;
use crate::supervision::Heartbeat;

/// How often uses are written and idle sessions are ended.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How long one round of that may take. Its statements have shorter limits of their own.
const UPKEEP: Duration = Duration::from_mins(2);
/// How long reading the view may take: the first time, when all is read, and afterwards.
const FIRST_READ: Duration = Duration::from_secs(15);
const READ: Duration = Duration::from_secs(3);
/// How often the connection to NATS is looked at, and how long handing a subscription to the client library may take.
const LOOK_EVERY: Duration = Duration::from_secs(5);
const SUBSCRIBE: Duration = Duration::from_secs(2);
/// How often old rows are removed, counted in rounds of upkeep.
const CLEAN_EVERY: u32 = 60;
/// How many uses are written in one statement.
const ACTIVITY_BATCH: usize = 1_000;
/// How many rows one clean-up removes.
const CLEAN: i64 = 5_000;

/// The next broadcast; `None` when there will be none. Without a subscription, waits for ever.
async fn next(broadcasts: &mut Option<async_nats::Subscriber>) -> Option<async_nats::Message> {
    match broadcasts {
        Some(broadcasts) => broadcasts.next().await,
        None => std::future::pending().await,
    }
}

impl Service {
    /// Reads the revocations since `since` into the view, all that are in force the first time. Answers from when the next
    /// reading must start.
    async fn reread(&self, since: Option<DateTime<Utc>>) -> Result<DateTime<Utc>, Error> {
        let (now, db) = (self.parts.clock.now(), &self.parts.view_db);
        let ended = db.revocations(since, now).await?;
        let epochs = db.token_epochs(since, now).await?;
        let epochs: Vec<Epoch> =
            epochs.into_iter().map(|(user_id, first, keep_until)| Epoch { user_id, first, keep_until }).collect();
        self.revocations.load(ended, &epochs, now);
        Ok(now - OVERLAP)
    }

    /// Reads the view again and again until `stop`.
    pub(super) async fn reread_revocations(&self, stop: CancellationToken, heartbeat: Heartbeat) {
        let mut since = None;
        let mut tick = tokio::time::interval(REREAD_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let limit = if since.is_none() { FIRST_READ } else { READ };
            match heartbeat.step(limit, self.reread(since)).await {
                Ok(next) => since = Some(next),
                Err(error) => tracing::warn!(%error, "the revocations could not be read"),
            }
        }
    }

    /// Hears every broadcast until `stop`. A loop of its own: a database that is slow holds up nothing that is heard.
    pub(super) async fn hear_revocations(&self, stop: CancellationToken, heartbeat: Heartbeat) {
        let subject = self.parts.events.subjects().broadcast_revocation();
        let mut broadcasts = None;
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if broadcasts.is_none() {
                // It only goes to the client library, which subscribes again after every reconnection.
                broadcasts = match timeout(SUBSCRIBE, self.parts.nats.subscribe(subject.clone())).await {
                    Ok(Ok(subscribed)) => Some(subscribed),
                    _ => None,
                };
            }
            tokio::select! {
                () = stop.cancelled() => return,
                // The client library finds out within seconds when the server does not answer.
                _ = look.tick() => if broadcasts.is_some() && publish::is_connected(&self.parts.nats) {
                    heartbeat.beat();
                },
                message = next(&mut broadcasts) => match message {
                    Some(message) => self.hear(&message.payload),
                    None => broadcasts = None,
                },
            }
        }
    }

    fn hear(&self, payload: &[u8]) {
        let message = match Envelope::<RevocationV2>::from_slice(payload) {
            Ok(envelope) => envelope.data,
            // A node of the release before says it in its own way.
            Err(error) => match Envelope::<RevocationV1>::from_slice(payload) {
                Ok(Envelope { data: RevocationV1 { user_id, session_ids, revoked_at, keep_until }, .. }) => {
                    RevocationV2 { user_id, session_ids, token_epoch: None, revoked_at, keep_until }
                }
                Err(_) => return tracing::warn!(%error, "a broadcast could not be read"),
            },
        };
        let keep_until = message.keep_until;
        self.revocations.add(message.session_ids.into_iter().map(|session| (session.into(), keep_until)));
        if let Some(first) = message.token_epoch {
            self.revocations.add_epoch(&Epoch { user_id: message.user_id.into(), first, keep_until });
        }
    }

    /// Writes uses, ends idle sessions and removes old rows until `stop`; then writes what is left.
    pub(super) async fn look_after_sessions(&self, stop: CancellationToken, heartbeat: Heartbeat) {
        let mut round = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => {
                    let _lost_with_the_process = heartbeat.step(UPKEEP, self.write_activity()).await;
                    return;
                }
                () = tokio::time::sleep(UPKEEP_EVERY) => {}
            }
            round = round.wrapping_add(1);
            if let Err(error) = heartbeat.step(UPKEEP, self.upkeep(round)).await {
                tracing::warn!(%error, "sessions could not be looked after");
            }
        }
    }

    /// One round of upkeep: all of it, also where a part fails.
    async fn upkeep(&self, round: u32) -> Result<(), Error> {
        let written = self.write_activity().await;
        let ended = loop {
            match self.end_idle().await {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if round.is_multiple_of(CLEAN_EVERY) {
            let before = self.parts.clock.now() - self.parts.config.history;
            let removed = self.parts.background_db.clean_sessions(before, CLEAN).await?;
            tracing::debug!(removed, "old sessions were removed");
        }
        written.and(ended)
    }

    /// Writes when sessions were last used. What cannot be written waits for the next time.
    async fn write_activity(&self) -> Result<(), Error> {
        let batch = self.activity.take();
        // In one order on every node, so that two that write about the same sessions never wait for each other.
        let mut batch: Vec<(i64, DateTime<Utc>)> = batch.into_iter().map(|(id, time)| (id.get(), time)).collect();
        batch.sort_unstable();
        let mut chunks = batch.chunks(ACTIVITY_BATCH);
        for chunk in chunks.by_ref() {
            let (ids, times): (Vec<i64>, Vec<DateTime<Utc>>) = chunk.iter().copied().unzip();
            if let Err(error) = self.parts.background_db.note_activity(&ids, &times).await {
                let rest = chunk.iter().chain(chunks.flatten());
                self.activity.put_back(rest.map(|(id, time)| ((*id).into(), *time)));
                return Err(error.into());
            }
        }
        Ok(())
    }
}
