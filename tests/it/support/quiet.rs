//! A database that no service works on.

use std::time::Duration;

use civiclens_actors::domain::secret::Secret;
use civiclens_actors::store::{Config, Db, Losses};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;

use super::TestApp;
use super::stack::{TEMPLATE, database};

/// A database, and a way to look into it.
pub(crate) struct Quiet {
    pub(crate) store: Db,
    pub(crate) pool: PgPool,
}

impl TestApp {
    /// A migrated database of its own, on which no service works.
    pub(crate) async fn quiet_database(&self) -> Quiet {
        self.another_database(TEMPLATE).await
    }

    /// An empty database of its own.
    pub(crate) async fn empty_database(&self) -> Quiet {
        self.another_database("template0").await
    }

    async fn another_database(&self, template: &str) -> Quiet {
        let name = format!("{}_quiet", self.settings.redis.prefix);
        let create = format!("CREATE DATABASE {name} TEMPLATE {template}");
        sqlx::query(AssertSqlSafe(create)).execute(&self.db).await.unwrap();
        let url = database(self.database_url(), &name);
        let patience = Duration::from_secs(10);
        let config = Config {
            url: Secret::from(url.as_str()),
            max_connections: 2,
            acquire_timeout: patience,
            statement_timeout: patience,
            losses: Losses::default(),
        };
        Quiet { store: Db::new(&config).unwrap(), pool: PgPool::connect_lazy(&url).unwrap() }
    }
}

impl Quiet {
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap()
    }

    pub(crate) async fn does(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }
}
