//! The outbox: messages committed with the change that caused them, published afterwards by the relay.

use chrono::{DateTime, Utc};
use futures::FutureExt;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;
use uuid::Uuid;

use super::connection::Transaction;
use super::{Db, Error, consequences};

/// How many lanes there are; the table's constraint knows the number too.
const LANES: i64 = 16;
/// How many rows one statement of a replay looks at.
const REPLAY: i64 = 10_000;
/// The channel on which a commit wakes the relays.
pub(super) const CHANNEL: &str = "civiclens_outbox";

/// A message to be published.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its identity: JetStream and every consumer recognise a second copy by it.
    pub id: Uuid,
    /// What must leave in order: the user id, or 0 where order means nothing.
    pub key: i64,
    /// The subject.
    pub subject: String,
    /// The envelope, as JSON.
    pub payload: String,
    /// The request that caused it.
    pub request_id: Option<String>,
    /// After this moment nobody needs it.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Message {
    /// The lane in which it keeps its place among those of the same key.
    pub(super) fn lane(&self) -> i16 {
        i16::try_from(self.key.rem_euclid(LANES)).unwrap_or_default()
    }
}

/// A message waiting in the outbox.
#[derive(Clone, Debug)]
pub struct Pending {
    /// The row, which gives the order.
    pub row: i64,
    /// The message.
    pub message: Message,
}

/// The lanes a relay holds, and what waits in them. Dropped without [`commit`](Self::commit), the lanes are free again.
pub struct Lease {
    transaction: Transaction,
    /// What waits, in order.
    pub pending: Vec<Pending>,
}

impl Lease {
    /// Marks `rows` as published and frees the lanes.
    pub async fn commit(mut self, rows: &[i64], now: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query!("UPDATE outbox SET published_at = $2 WHERE id = ANY($1)", rows, now)
            .execute(self.transaction.connection())
            .await?;
        Ok(self.transaction.commit().await?)
    }
}

impl Db {
    /// Puts one message into the outbox on its own.
    pub async fn enqueue(&self, message: Message, now: DateTime<Utc>) -> Result<(), Error> {
        consequences::insert(self, &[], &[message], self.bell(), now).await
    }

    /// Takes up to `lanes` lanes that no other relay holds, those whose first message has waited longest, and reads up to
    /// `limit` messages of them. What concerns the keys of `except` is passed over.
    pub async fn lease_outbox(&self, lanes: i64, limit: i64, except: &[i64]) -> Result<Lease, Error> {
        let mut transaction = self.transaction().await?;
        // Not FOR UPDATE of the messages: a second relay would skip the first message of a user and send the next.
        let held = sqlx::query_scalar!(
            "SELECT l.lane FROM outbox_lanes l
             CROSS JOIN LATERAL (SELECT o.id FROM outbox o
                                 WHERE o.lane = l.lane AND o.published_at IS NULL AND o.key <> ALL($2)
                                 ORDER BY o.id LIMIT 1) AS first
             ORDER BY first.id LIMIT $1 FOR NO KEY UPDATE OF l SKIP LOCKED",
            lanes,
            except
        )
        .fetch_all(transaction.connection())
        .await?;
        let pending = if held.is_empty() {
            Vec::new()
        } else {
            sqlx::query!(
                r#"SELECT id, message_id, key, subject, payload::text AS "payload!", request_id, expires_at FROM outbox
                   WHERE lane = ANY($1) AND published_at IS NULL AND key <> ALL($3) ORDER BY id LIMIT $2"#,
                &held,
                limit,
                except
            )
            .map(|row| Pending {
                row: row.id,
                message: Message {
                    id: row.message_id,
                    key: row.key,
                    subject: row.subject,
                    payload: row.payload,
                    request_id: row.request_id,
                    expires_at: row.expires_at,
                },
            })
            .fetch_all(transaction.connection())
            .await?
        };
        Ok(Lease { transaction, pending })
    }

    /// How many messages wait (counted up to 10 000), and since when the oldest of all does: it is the first of its lane.
    pub async fn outbox_lag(&self) -> Result<(i64, Option<DateTime<Utc>>), Error> {
        let row = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM (SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 10000) AS waiting) AS "waiting!",
                      (SELECT min(first.created_at) FROM outbox_lanes l
                       CROSS JOIN LATERAL (SELECT o.created_at FROM outbox o
                                           WHERE o.lane = l.lane AND o.published_at IS NULL
                                           ORDER BY o.id LIMIT 1) AS first) AS oldest"#
        )
        .fetch_one(self)
        .await?;
        Ok((row.waiting, row.oldest))
    }

    /// Removes up to `limit` messages published before `before`. Answers how many.
    pub async fn clean_outbox(&self, before: DateTime<Utc>, limit: i64) -> Result<u64, Error> {
        let done = sqlx::query!(
            "DELETE FROM outbox WHERE id IN
                 (SELECT id FROM outbox WHERE published_at < $1 ORDER BY published_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
            before,
            limit
        )
        .execute(self)
        .await?;
        Ok(done.rows_affected())
    }

    /// Marks every event published since `since` as waiting again, a batch to a statement, so that no statement runs long
    /// and relays can begin. Answers how many. Consumers recognise what they had. Jobs, which expire, stay: a message to a
    /// person is not repeated. When it fails half-way it can be run again.
    pub async fn replay_outbox(&self, since: DateTime<Utc>) -> Result<u64, Error> {
        let ends = sqlx::query!("SELECT min(id) AS first, max(id) AS last FROM outbox").fetch_one(self).await?;
        let (Some(first), Some(last)) = (ends.first, ends.last) else { return Ok(0) };
        let (mut replayed, mut after) = (0, first - 1);
        while after < last {
            // By row, not by time of publication: a relay that publishes one again meanwhile gives it a new time.
            let done = sqlx::query!(
                "UPDATE outbox SET published_at = NULL
                 WHERE id > $2 AND id <= $3 AND published_at >= $1 AND expires_at IS NULL",
                since,
                after,
                (after + REPLAY).min(last)
            );
            replayed += done.execute(self).await?.rows_affected();
            after += REPLAY;
        }
        Ok(replayed)
    }

    /// Listens for commits with messages. On a connection of its own, for which it waits no longer than for any other.
    pub async fn listen_outbox(&self) -> Result<Listener, Error> {
        let late = |_| Err(sqlx::Error::PoolTimedOut);
        Ok(timeout(self.patience() * 2, self.listen()).await.unwrap_or_else(late)?)
    }

    async fn listen(&self) -> Result<Listener, sqlx::Error> {
        let own = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let own = own.acquire_timeout(self.patience());
        let mut listener = PgListener::connect_with(&own.connect_lazy_with(self.options().clone())).await?;
        listener.listen(CHANNEL).await?;
        Ok(Listener(listener))
    }
}

/// Hears of commits with messages, wherever they are made.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// Waits for the next commit with messages. Answers `false` if the listener broke. May be cancelled.
    pub async fn hears(&mut self) -> bool {
        self.0.recv().await.is_ok()
    }

    /// Whether the server still answers on the connection. What is heard meanwhile is kept.
    pub async fn is_connected(&mut self) -> bool {
        sqlx::query("SELECT 1").execute(&mut self.0).await.is_ok()
    }

    /// Forgets what was heard so far. Who reads the outbox afterwards finds all of it; without this, every commit that one
    /// reading took along would cause another, which finds nothing.
    pub fn forget(&mut self) {
        while matches!(self.0.recv().now_or_never(), Some(Ok(_))) {}
    }
}
