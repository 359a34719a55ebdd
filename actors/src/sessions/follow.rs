//! The loops of the Sessions actor: the revocation view is kept up to date, and uses, idle ends and old rows are looked after.

use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::broadcast::{RevocationV1, RevocationV2};
use civiclens_nats::envelope::Envelope;
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::revocations::{Epoch, OVERLAP, REREAD_EVERY};
use super::service::Service;

/// How often uses are written and idle sessions are ended.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// How often old rows are removed, counted in rounds of upkeep.
const CLEAN_EVERY: u32 = 60;
/// How many uses are written in one statement.
const ACTIVITY_BATCH: usize = 1_000;
/// How many rows one clean-up removes.
const CLEAN: i64 = 5_000;

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
    pub(super) async fn reread_revocations(&self, stop: CancellationToken) {
        let mut since = None;
        let mut tick = tokio::time::interval(REREAD_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            match self.reread(since).await {
                Ok(next) => since = Some(next),
                Err(error) => tracing::warn!(%error, "the revocations could not be read"),
            }
        }
    }

    /// Hears every broadcast until `stop`. A loop of its own: a database that is slow holds up nothing that is heard.
    pub(super) async fn hear_revocations(&self, stop: CancellationToken) {
        let subject = self.parts.events.subjects().broadcast_revocation();
        let Ok(mut broadcasts) = self.parts.nats.subscribe(subject).await else {
            tracing::warn!("revocations are not heard, only read");
            return stop.cancelled().await;
        };
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                message = broadcasts.next() => match message {
                    Some(message) => self.hear(&message.payload),
                    // The client is closing; the re-read goes on.
                    None => return stop.cancelled().await,
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
    pub(super) async fn look_after_sessions(&self, stop: CancellationToken) {
        let mut round = 0_u32;
        loop {
            tokio::select! {
                () = stop.cancelled() => return self.write_activity().await,
                () = tokio::time::sleep(UPKEEP_EVERY) => {}
            }
            self.write_activity().await;
            while let Ok(true) = self.end_idle().await.inspect_err(|error| {
                tracing::debug!(%error, "idle sessions could not be ended");
            }) {}
            round = round.wrapping_add(1);
            if round.is_multiple_of(CLEAN_EVERY) {
                let before = self.parts.clock.now() - self.parts.config.history;
                match self.parts.background_db.clean_sessions(before, CLEAN).await {
                    Ok(removed) => tracing::debug!(removed, "old sessions were removed"),
                    Err(error) => tracing::warn!(%error, "old sessions could not be removed"),
                }
            }
        }
    }

    /// Writes when sessions were last used. What cannot be written waits for the next time.
    async fn write_activity(&self) {
        let batch = self.activity.take();
        if batch.is_empty() {
            return;
        }
        // In one order on every node, so that two that write about the same sessions never wait for each other.
        let mut batch: Vec<(i64, DateTime<Utc>)> = batch.into_iter().map(|(id, time)| (id.get(), time)).collect();
        batch.sort_unstable();
        let mut chunks = batch.chunks(ACTIVITY_BATCH);
        for chunk in chunks.by_ref() {
            let (ids, times): (Vec<i64>, Vec<DateTime<Utc>>) = chunk.iter().copied().unzip();
            if let Err(error) = self.parts.background_db.note_activity(&ids, &times).await {
                tracing::debug!(%error, "uses of sessions could not be written");
                let rest = chunk.iter().chain(chunks.flatten());
                return self.activity.put_back(rest.map(|(id, time)| ((*id).into(), *time)));
            }
        }
    }
}
