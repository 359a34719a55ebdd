//! The connection pool, and statements outside a unit of work.
//!
//! A statement that failed because its connection was lost is repeated once on another one, where that cannot do anything
//! twice: the statement only reads, or the server said that it did nothing.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, QueueMode, Timeouts};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{ConnectOptions, Connection as _, Describe, Either, Execute, Executor, Postgres, SqlStr};
use tokio::time::{Instant, timeout, timeout_at};

use super::Error;
use super::bell::Bell;
use super::connection::{Connection, Losses, Manager, PROMPT, Transaction};
use super::error::loss;
use super::unit_of_work::UnitOfWork;
use crate::domain::secret::Secret;

/// How to reach PostgreSQL.
#[derive(Clone, Debug)]
pub struct Config {
    /// `postgres://…`.
    pub url: Secret,
    /// The most connections of this pool.
    pub max_connections: u32,
    /// How long a caller waits for a connection, one that must be opened included.
    pub acquire_timeout: Duration,
    /// How long a statement may take. The server gives it up a little earlier.
    pub statement_timeout: Duration,
    /// What every pool that leads to the same server knows about it.
    pub losses: Losses,
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool<Manager>,
    patience: Duration,
    limit: Duration,
    bell: Arc<Bell>,
}

/// A connection that nobody needed for longer than this is closed.
const NEEDED: Duration = Duration::from_mins(10);

/// Why a database was not brought to the schema of this version.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A migration failed, or the database is of another version.
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The database could not be worked with, or the partitions of the audit log not be made.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Db {
    /// Prepares a pool. Connects when first used, so it succeeds while PostgreSQL is away.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(config.url.expose())?
            .application_name("civiclens")
            // A start-up parameter that PgBouncer refuses, and no server needs since PostgreSQL 12. The limits are set once
            // the connection is there, for the same reason.
            .extra_float_digits(None)
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1))
            .log_statements(tracing::log::LevelFilter::Trace);
        let (patience, limit) = (config.acquire_timeout, config.statement_timeout);
        let pool = Pool::builder(Manager { options, limit, losses: config.losses.clone() })
            .max_size(usize::try_from(config.max_connections).unwrap_or(usize::MAX))
            // The one used last: what it needs is in the caches, and those that are not needed are seen to rest.
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts { wait: Some(patience), create: Some(patience), recycle: Some(PROMPT * 2) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| sqlx::Error::Configuration(error.into()))?;
        Ok(Self { pool, patience, limit, bell: Arc::new(Bell::new()) })
    }

    /// A connection. Waits for one to be free, opened or found to work, at most as long as was configured in all.
    pub(super) async fn acquire(&self) -> Result<Object<Manager>, sqlx::Error> {
        let connection = timeout(self.patience, self.pool.get()).await.map_err(|_| sqlx::Error::PoolTimedOut)?;
        connection.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => sqlx::Error::PoolClosed,
            _ => sqlx::Error::PoolTimedOut,
        })
    }

    /// Begins a transaction, on another connection if the first one turns out to be lost.
    pub(super) async fn transaction(&self) -> Result<Transaction, sqlx::Error> {
        let begin = async {
            match Transaction::begin(self.acquire().await?).await {
                Err(error) if loss(&error).is_some() => Transaction::begin(self.acquire().await?).await,
                begun => begun,
            }
        };
        timeout(self.longest(), begin).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// The longest that one statement may keep its caller waiting, repetition included.
    fn longest(&self) -> Duration {
        self.patience + self.limit
    }

    /// Asks on any connection; once more on another one, if the first one was lost and the question may be repeated.
    async fn ask<T>(
        &self,
        question: Result<Question, sqlx::Error>,
        ask: impl AsyncFn(&mut Connection, Asked) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let question = question?;
        let until = Instant::now() + self.longest();
        let once = async || {
            let mut connection = self.acquire().await?;
            let answer = ask(&mut connection, question.asked()).await?;
            connection.settle();
            Ok(answer)
        };
        let late = |_| Err(sqlx::Error::PoolTimedOut);
        match timeout_at(until, once()).await.unwrap_or_else(late) {
            Err(error) if question.may_be_repeated_after(&error) => {
                tracing::debug!(%error, "a statement is repeated on another connection");
                timeout_at(until, once()).await.unwrap_or_else(late)
            }
            answer => answer,
        }
    }

    /// How to connect, for what needs a connection of its own.
    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.pool.manager().options
    }

    /// How long a caller waits for a connection.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// What wakes the relays.
    pub(super) fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Begins a unit of work.
    pub async fn begin(&self) -> Result<UnitOfWork, Error> {
        Ok(UnitOfWork::new(self.transaction().await?, Arc::clone(&self.bell)))
    }

    /// Applies every migration that is missing, and makes the partitions of the audit log, so that a command that is run
    /// before the first service finds them. Safe to run by several at once: the others wait for the first, however long it
    /// takes.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        // A connection of its own: it has no limits, and holds the lock.
        let connect = timeout(self.patience, PgConnection::connect_with(self.options())).await;
        let mut connection = connect.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(Error::from)?;
        let run = async {
            // Building an index may take hours. A lock on a table is waited for no longer than this: whoever waits for one
            // keeps everybody else waiting behind it.
            let set = "SET statement_timeout = 0; SET lock_timeout = 0; \
                       SELECT pg_advisory_lock(hashtext('civiclens.migrate')); SET lock_timeout = '1min'";
            connection.execute(sqlx::raw_sql(set)).await?;
            sqlx::migrate!("../migrations").run(&mut connection).await
        };
        let outcome = run.await;
        connection.close().await.map_err(Error::from)?;
        outcome?;
        let today = sqlx::query_scalar!(r#"SELECT (now() AT TIME ZONE 'UTC')::date AS "today!""#);
        let today = today.fetch_one(self).await.map_err(Error::from)?;
        self.ensure_audit_partitions(today).await?;
        Ok(())
    }

    /// Whether PostgreSQL answers, was migrated, and takes a write: a server that was demoted still answers.
    pub async fn check(&self) -> Result<(), Error> {
        // A row that nobody else is writing at this moment; if there is none, others prove the same.
        let write = "UPDATE readiness_probes SET written_at = now() WHERE lane =
                         (SELECT lane FROM readiness_probes ORDER BY written_at LIMIT 1 FOR UPDATE SKIP LOCKED)";
        let once = async || sqlx::query(write).execute(self).await.map(|_| ());
        match once().await {
            // Writing it twice is no harm.
            Err(error) if loss(&error).is_some() => Ok(once().await?),
            outcome => Ok(outcome?),
        }
    }

    /// Connections open, and how many of them are idle.
    pub fn usage(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Closes connections that nobody needed for a while.
    pub fn close_idle(&self) {
        self.pool.retain(|_, metrics| metrics.last_used() < NEEDED);
    }

    /// Closes those that are idle, waits for those in use, and lets nobody have another.
    pub async fn close(&self) {
        const LOOK_EVERY: Duration = Duration::from_millis(5);
        self.pool.close();
        while self.pool.status().size > 0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// A statement as it is sent.
type Asked = (SqlStr, Option<PgArguments>);

/// A statement that can be asked again.
struct Question {
    sql: SqlStr,
    arguments: Option<PgArguments>,
}

impl Question {
    fn of<'q>(mut query: impl Execute<'q, Postgres>) -> Result<Self, sqlx::Error> {
        let arguments = query.take_arguments().map_err(sqlx::Error::Encode)?;
        Ok(Self { sql: query.sql(), arguments })
    }

    fn asked(&self) -> Asked {
        (self.sql.clone(), self.arguments.clone())
    }

    /// Whether asking it again cannot do anything twice.
    fn may_be_repeated_after(&self, error: &sqlx::Error) -> bool {
        loss(error).is_some_and(|lost| lost.did_nothing() || only_reads(self.sql.as_str()))
    }
}

/// Whether a statement only reads. What changes something by way of a function says so with another beginning.
fn only_reads(sql: &str) -> bool {
    sql.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

/// A statement outside a unit of work: on any connection, given back when it has come to its end.
impl<'c> Executor<'c> for &'c Db {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let question = Question::of(query);
        let all = async move {
            let ask =
                async |connection: &mut Connection, asked| connection.fetch_many(asked).try_collect::<Vec<_>>().await;
            let all = self.ask(question, ask).await?;
            Ok(stream::iter(all.into_iter().map(Ok)))
        };
        all.try_flatten_stream().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let question = Question::of(query);
        async move {
            let ask = async |connection: &mut Connection, asked| connection.fetch_optional(asked).await;
            self.ask(question, ask).await
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
        async move { self.acquire().await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move { self.acquire().await?.describe(sql).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reads_is_taken_for_reading() {
        assert!(only_reads("SELECT 1") && only_reads("\n  select id FROM users"));
        for sql in
            ["", "SEL", "WITH ended AS (UPDATE sessions) SELECT 1", "UPDATE users", "INSERT INTO x SELECT 1", "DELETE"]
        {
            assert!(!only_reads(sql), "{sql}");
        }
    }
}
