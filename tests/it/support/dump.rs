//! Everything that is at rest, as text.

use sqlx::{AssertSqlSafe, Row};

use super::TestApp;

impl TestApp {
    /// Every key and value under the test's prefix in Redis.
    pub(crate) async fn redis_dump(&self) -> String {
        let client = redis::Client::open(self.settings.redis.url.expose()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let pattern = format!("{}:*", self.settings.redis.prefix);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
        let mut dump = Vec::new();
        for key in keys {
            let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut connection).await.unwrap();
            let mut read = match kind.as_str() {
                "string" => redis::cmd("GET"),
                "hash" => redis::cmd("HGETALL"),
                "zset" => redis::cmd("ZRANGE"),
                "list" => redis::cmd("LRANGE"),
                // It expired meanwhile.
                "none" => continue,
                other => panic!("{key} is a {other}"),
            };
            read.arg(&key);
            if kind == "zset" || kind == "list" {
                read.arg(0).arg(-1);
            }
            let value: redis::Value = read.query_async(&mut connection).await.unwrap();
            dump.push(format!("{key} = {value:?}"));
        }
        dump.join("\n")
    }

    async fn redis_keys(&self, connection: &mut redis::aio::MultiplexedConnection) -> Vec<String> {
        let pattern = format!("{}:*", self.settings.redis.prefix);
        redis::cmd("KEYS").arg(pattern).query_async(connection).await.unwrap()
    }

    /// Every key and value under the test's prefix in Redis, as they can be put back.
    pub(crate) async fn redis_snapshot(&self) -> Vec<(String, i64, Vec<u8>)> {
        let mut redis = self.redis().await;
        let mut all = Vec::new();
        for key in self.redis_keys(&mut redis).await {
            let (life, value): (i64, Option<Vec<u8>>) =
                redis::pipe().cmd("PTTL").arg(&key).cmd("DUMP").arg(&key).query_async(&mut redis).await.unwrap();
            all.extend(value.map(|value| (key, life.max(0), value)));
        }
        all
    }

    /// Redis knows again what it knew, and nothing that came after: it lost a moment.
    pub(crate) async fn redis_goes_back_to(&self, snapshot: &[(String, i64, Vec<u8>)]) {
        let mut redis = self.redis().await;
        for key in self.redis_keys(&mut redis).await {
            let () = redis::cmd("DEL").arg(&key).query_async(&mut redis).await.unwrap();
        }
        for (key, life, value) in snapshot {
            let () = redis::cmd("RESTORE").arg(key).arg(life).arg(value).query_async(&mut redis).await.unwrap();
        }
    }

    /// Every row of every table, as text.
    pub(crate) async fn database_dump(&self) -> String {
        let tables = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'";
        let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&self.db).await.unwrap();
        let mut dump = Vec::new();
        for table in tables {
            let rows = format!("SELECT row_to_json(t)::text FROM {table} t");
            for row in sqlx::query(AssertSqlSafe(rows)).fetch_all(&self.db).await.unwrap() {
                dump.push(format!("{table}: {}", row.get::<String, _>(0)));
            }
        }
        dump.join("\n")
    }
}
