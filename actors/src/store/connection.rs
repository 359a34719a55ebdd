//! Connections: pooled, given back without a round trip, and thrown away when the server behind them is lost.
//!
//! The driver's own pool asks the server whether a connection still works each time one is given back, which doubles what a
//! short statement costs. Here a connection remembers whether its last use came to its end; only one that was given up half-way
//! is asked, before anybody else gets it. Every answer is waited for with a limit: the driver has none, and a server that is
//! gone without a word (a fail-over, a firewall that forgot the connection) never answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use deadpool::managed::{self, Metrics, Object, RecycleError, RecycleResult};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Connection as _, Describe, Either, Execute, Executor, Postgres, SqlStr};
use sqlx_core::transaction::TransactionManager;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use super::error::{Loss, loss};

type Transactions = <Postgres as sqlx::Database>::TransactionManager;

/// A connection that rested longer than this is asked before use; a busy one is trusted.
const TRUSTED_REST: Duration = Duration::from_secs(5);
/// A connection is not used for longer than this: what the server keeps for it grows.
const LIFETIME: Duration = Duration::from_mins(30);
/// How long the server may take for what costs it nothing: a ping, the beginning of a transaction. A connection on which that
/// takes longer is replaced, and so is one whose user gave up after waiting longer.
pub(super) const PROMPT: Duration = Duration::from_secs(1);
/// A connection that is younger than this and answers that the server is read-only is no news: a newer one leads there too.
const FRESH: Duration = Duration::from_secs(1);

/// What became of a connection's last use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It came to its end.
    Settled,
    /// It goes on, or was given up. The driver knows what is left to do.
    InUse,
    /// A transaction is being begun, or that was given up: then nobody knows whether there is one.
    Beginning,
    /// The server did not answer, or said that it is of no use any more.
    Broken,
}

/// When a server was last lost, for every pool that leads to it: connections that heard from it before that are replaced
/// without being asked one by one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Losses {
    began: Instant,
    /// In microseconds since `began`; 0 for never.
    last: Arc<AtomicU64>,
}

impl Default for Losses {
    fn default() -> Self {
        Self { began: Instant::now(), last: Arc::default() }
    }
}

impl Losses {
    fn micros(&self, time: Instant) -> u64 {
        u64::try_from(time.saturating_duration_since(self.began).as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// The server is lost at this moment.
    pub(super) fn note(&self) {
        self.last.fetch_max(self.micros(Instant::now()), Ordering::Relaxed);
        metrics::counter!("civiclens_database_losses_total").increment(1);
    }

    /// Whether the server was lost after `heard`.
    fn happened_since(&self, heard: Instant) -> bool {
        self.last.load(Ordering::Relaxed) > self.micros(heard)
    }
}

/// A connection of the pool.
#[derive(Debug)]
pub(super) struct Connection {
    raw: PgConnection,
    state: State,
    opened: Instant,
    /// When the server was last asked something, and when it last answered.
    asked: Instant,
    heard: Instant,
    /// How long a statement may take.
    limit: Duration,
    losses: Losses,
}

impl Connection {
    /// The connection, for one question.
    fn ask(&mut self) -> &mut PgConnection {
        if self.state == State::Settled {
            self.state = State::InUse;
        }
        self.asked = Instant::now();
        &mut self.raw
    }

    /// Says that the use came to its end, with nothing left under way.
    pub(super) fn settle(&mut self) {
        if self.state == State::InUse {
            self.state = State::Settled;
        }
    }

    /// What an answer, or that none came in time, says about the connection.
    fn judge<T>(&mut self, answer: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, sqlx::Error> {
        let answer = answer.unwrap_or_else(|_| {
            let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
            Err(sqlx::Error::Io(late))
        });
        let lost = answer.as_ref().err().and_then(loss);
        if lost == Some(Loss::ReadOnly) && self.opened.elapsed() < FRESH {
            self.heard = Instant::now();
            return answer;
        }
        match lost {
            None => self.heard = Instant::now(),
            Some(lost) => {
                tracing::debug!(?lost, "a database connection is replaced");
                self.state = State::Broken;
                self.losses.note();
            }
        }
        answer
    }
}

/// A statement on this connection, waited for no longer than a statement may take.
impl<'c> Executor<'c> for &'c mut Connection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let answer = timeout(self.limit, self.ask().fetch_many(query).try_collect::<Vec<_>>()).await;
            let all = self.judge(answer)?;
            Ok(stream::iter(all.into_iter().map(Ok)))
        };
        all.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        async move {
            let answer = timeout(self.limit, self.ask().fetch_optional(query)).await;
            self.judge(answer)
        }
        .boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            let answer = timeout(self.limit, self.ask().prepare_with(sql, parameters)).await;
            self.judge(answer)
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            let answer = timeout(self.limit, self.ask().describe(sql)).await;
            self.judge(answer)
        }
        .boxed()
    }
}

/// Opens connections, and looks at them before they are used again.
#[derive(Debug)]
pub(super) struct Manager {
    pub(super) options: PgConnectOptions,
    /// How long a statement may take.
    pub(super) limit: Duration,
    pub(super) losses: Losses,
}

impl Manager {
    /// What the server is told on every connection. Not as start-up parameters, which `PgBouncer` refuses.
    ///
    /// The server gives a statement up by itself before we stop waiting, so that its answer says so and the connection stays
    /// usable. What a process that is gone without a word leaves open (transactions, locks) ends too.
    fn settings(&self) -> String {
        let millis = self.limit.as_millis();
        let (statement, lock, idle) = (millis * 9 / 10, millis * 8 / 10, millis * 5);
        format!(
            "SET statement_timeout = {statement}; SET lock_timeout = {lock}; \
             SET idle_in_transaction_session_timeout = {idle}; SET client_connection_check_interval = '2s'; \
             SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
             SET tcp_user_timeout = '30s'; SET timezone = 'UTC'"
        )
    }
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = sqlx::Error;

    async fn create(&self) -> Result<Connection, sqlx::Error> {
        // Boxed: connecting is rare, and every statement's future would have room for it.
        let connect = async {
            let mut raw = PgConnection::connect_with(&self.options).await?;
            raw.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(self.settings()))).await?;
            Ok::<_, sqlx::Error>(raw)
        };
        let raw = Box::pin(connect).await?;
        let now = Instant::now();
        let (limit, losses) = (self.limit, self.losses.clone());
        Ok(Connection { raw, state: State::Settled, opened: now, asked: now, heard: now, limit, losses })
    }

    async fn recycle(&self, connection: &mut Connection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        let given_up = connection.state == State::InUse;
        let unusable = matches!(connection.state, State::Beginning | State::Broken)
            || metrics.age() > LIFETIME
            || self.losses.happened_since(connection.heard)
            // Whoever waited that long for an answer in vain is not followed by somebody who waits for it again.
            || (given_up && connection.asked.elapsed() > PROMPT);
        if unusable {
            return Err(RecycleError::message("not used again"));
        }
        if given_up || connection.heard.elapsed() > TRUSTED_REST {
            let answer = timeout(PROMPT, connection.ask().ping()).await;
            connection.judge(answer)?;
            connection.settle();
        }
        Ok(())
    }
}

/// A transaction. Dropped without [`commit`](Self::commit), nothing of it happened.
#[derive(Debug)]
pub(super) struct Transaction(Object<Manager>);

impl Transaction {
    /// Begins a transaction. If that fails, nothing happened.
    pub(super) async fn begin(mut connection: Object<Manager>) -> Result<Self, sqlx::Error> {
        connection.state = State::Beginning;
        let answer = timeout(PROMPT, Transactions::begin(connection.ask(), None)).await;
        connection.judge(answer)?;
        connection.state = State::InUse;
        Ok(Self(connection))
    }

    /// The connection, for its statements.
    pub(super) fn connection(&mut self) -> &mut Connection {
        &mut self.0
    }

    /// Commits.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let answer = timeout(self.0.limit, Transactions::commit(self.0.ask())).await;
        self.0.judge(answer)?;
        self.0.settle();
        Ok(())
    }
}

impl Drop for Transaction {
    /// Sends the rollback at once, so that no lock waits for the connection's next use. Its answer is read then.
    fn drop(&mut self) {
        if self.0.state == State::InUse {
            Transactions::start_rollback(&mut self.0.raw);
            let _answered_later = self.0.raw.ping().now_or_never();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_heard_from_the_server_after_it_was_lost_goes_on() {
        let losses = Losses::default();
        let before = Instant::now();
        assert!(!losses.happened_since(before));
        std::thread::sleep(Duration::from_micros(10));
        losses.clone().note();
        assert!(losses.happened_since(before), "also where a clone heard of it");
        assert!(!losses.happened_since(Instant::now()));
    }
}
