//! The connection pool.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, Pool, PoolError, QueueMode, Timeouts};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{ConnectOptions, Connection, Describe, Either, Execute, Executor, Postgres, SqlStr};

use super::Error;
use super::bell::Bell;
use super::connection::{Manager, Transaction};
use super::unit_of_work::UnitOfWork;
use crate::domain::secret::Secret;

/// How to reach PostgreSQL.
#[derive(Clone, Debug)]
pub struct Config {
    /// `postgres://…`.
    pub url: Secret,
    /// The most connections of this pool.
    pub max_connections: u32,
    /// How long a caller waits for a connection.
    pub acquire_timeout: Duration,
}

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Db {
    pool: Pool<Manager>,
    patience: Duration,
    bell: Arc<Bell>,
}

/// How long what is left of a use that was given up may take. A connection that takes longer is replaced.
const SETTLE: Duration = Duration::from_secs(1);
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
            // No statement and no wait for a lock may outlive the request that caused it.
            .options([("statement_timeout", "10s"), ("lock_timeout", "5s"), ("timezone", "UTC")])
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1))
            .log_statements(tracing::log::LevelFilter::Trace);
        let patience = config.acquire_timeout;
        let pool = Pool::builder(Manager { options })
            .max_size(usize::try_from(config.max_connections).unwrap_or(usize::MAX))
            // The one used last: what it needs is in the caches, and those that are not needed are seen to rest.
            .queue_mode(QueueMode::Lifo)
            .timeouts(Timeouts { wait: Some(patience), create: Some(patience), recycle: Some(SETTLE) })
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|error| sqlx::Error::Configuration(error.into()))?;
        Ok(Self { pool, patience, bell: Arc::new(Bell::new()) })
    }

    /// A connection. Waits for one to be free, at most as long as was configured.
    pub(super) async fn acquire(&self) -> Result<Object<Manager>, sqlx::Error> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed => sqlx::Error::PoolClosed,
            _ => sqlx::Error::PoolTimedOut,
        })
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
        Ok(UnitOfWork::new(Transaction::begin(self.acquire().await?).await?, Arc::clone(&self.bell)))
    }

    /// Applies every migration that is missing, and makes the partitions of the audit log, so that a command that is run
    /// before the first service finds them. Safe to run by several at once: the others wait for the first, however long it
    /// takes.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        // A connection of its own: it has no limits, and holds the lock.
        let mut connection = PgConnection::connect_with(self.options()).await.map_err(Error::from)?;
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

    /// Whether PostgreSQL answers and was migrated.
    pub async fn check(&self) -> Result<(), Error> {
        sqlx::query("SELECT count(*) FROM outbox_lanes").execute(self).await?;
        Ok(())
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

/// A statement outside a unit of work: on any connection, given back when it has come to its end.
impl<'c> Executor<'c> for &'c Db {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let mut connection = self.acquire().await?;
            let all: Vec<_> = connection.raw().fetch_many(query).try_collect().await?;
            connection.settle();
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
            let mut connection = self.acquire().await?;
            let row = connection.raw().fetch_optional(query).await?;
            connection.settle();
            Ok(row)
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
            let mut connection = self.acquire().await?;
            let statement = connection.raw().prepare_with(sql, parameters).await?;
            connection.settle();
            Ok(statement)
        }
        .boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'c: 'e,
    {
        async move {
            let mut connection = self.acquire().await?;
            let described = connection.raw().describe(sql).await?;
            connection.settle();
            Ok(described)
        }
        .boxed()
    }
}
