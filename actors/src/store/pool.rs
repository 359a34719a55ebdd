//! The connection pool.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor};

use super::Error;
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
    pool: PgPool,
}

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

/// A connection that rested longer than this is pinged before use; a busy one is trusted, which saves a round trip.
const TRUSTED_REST: Duration = Duration::from_secs(5);

impl Db {
    /// Prepares a pool. Connects when first used, so it succeeds while PostgreSQL is away.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let options = PgConnectOptions::from_str(config.url.expose())?
            .application_name("civiclens")
            // No statement and no wait for a lock may outlive the request that caused it.
            .options([("statement_timeout", "10s"), ("lock_timeout", "5s"), ("timezone", "UTC")])
            .log_slow_statements(tracing::log::LevelFilter::Warn, Duration::from_secs(1))
            .log_statements(tracing::log::LevelFilter::Trace);
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for < TRUSTED_REST {
                        return Ok(true);
                    }
                    Ok(connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// The pool, for statements outside a unit of work.
    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a unit of work.
    pub async fn begin(&self) -> Result<UnitOfWork, Error> {
        Ok(UnitOfWork::new(self.pool.begin().await?))
    }

    /// Applies every migration that is missing, and makes the partitions of the audit log, so that a command that is run
    /// before the first service finds them. Safe to run by several at once: the others wait for the first, however long it
    /// takes.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        let mut connection = self.pool.acquire().await.map_err(Error::from)?;
        let run = async {
            // Building an index may take hours. A lock on a table is waited for no longer than this: whoever waits for one
            // keeps everybody else waiting behind it.
            let set = "SET statement_timeout = 0; SET lock_timeout = 0; \
                       SELECT pg_advisory_lock(hashtext('civiclens.migrate')); SET lock_timeout = '1min'";
            connection.execute(sqlx::raw_sql(set)).await?;
            sqlx::migrate!("../migrations").run(&mut *connection).await
        };
        let outcome = run.await;
        // Not back to the pool: this connection has no limits, and holds the lock.
        connection.close().await.map_err(Error::from)?;
        outcome?;
        let today = sqlx::query_scalar!(r#"SELECT (now() AT TIME ZONE 'UTC')::date AS "today!""#);
        let today = today.fetch_one(&self.pool).await.map_err(Error::from)?;
        self.ensure_audit_partitions(today).await?;
        Ok(())
    }

    /// Whether PostgreSQL answers and was migrated.
    pub async fn check(&self) -> Result<(), Error> {
        sqlx::query("SELECT count(*) FROM outbox_lanes").execute(&self.pool).await?;
        Ok(())
    }

    /// Connections open, and how many of them are idle.
    pub fn usage(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Waits for the connections in use, then closes all.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
