//! A peer changes under the service's feet: it drops connections, is demoted, is migrated, forgets keys.

use std::pin::pin;
use std::time::Duration;

use civiclens::app::{App, Overrides};
use civiclens_actors::domain::secret::Secret;
use futures::future::{Either, join, join_all, select};
use sqlx::AssertSqlSafe;

use crate::support::{OwnStack, Proxy, Session, TestApp, eventually, shared, story, story_on, story_with};

/// Changes the story's own database.
async fn changes(app: &TestApp, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&app.db).await.unwrap();
}

/// Uses several connections at once.
async fn uses_connections(session: &Session<'_>) {
    for answer in join_all((0..8).map(|_| session.me())).await {
        answer.ok();
    }
}

#[actix::test]
async fn after_postgres_dropped_every_connection_no_request_fails() {
    let postgres = Proxy::before(&shared().database);
    story_with(
        |settings| postgres.takes_over(&mut settings.database.url),
        async |app| {
            let session = app.citizen("98765 43210").signs_in().await;
            uses_connections(&session).await;
            postgres.closes_open_connections();
            uses_connections(&session).await;
            postgres.closes_open_connections();
            app.citizen("98765 43211").signs_in().await;
        },
    )
    .await;
}

#[actix::test]
async fn after_an_administrator_ended_every_backend_no_request_fails() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        uses_connections(&session).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'civiclens'";
        changes(app, end.to_owned()).await;
        session.logs_out().await.ok();
        app.citizen("98765 43211").signs_in().await;
    })
    .await;
}

#[actix::test]
async fn sessions_that_turned_read_only_are_replaced_and_health_proves_that_it_can_write() {
    let postgres = Proxy::before(&shared().database);
    story_with(
        |settings| postgres.takes_over(&mut settings.database.url),
        async |app| {
            let session = app.citizen("98765 43210").signs_in().await;
            let name = app.settings.redis.prefix.clone();
            let read_only = |on: &str| format!("ALTER DATABASE {name} SET default_transaction_read_only = {on}");
            changes(app, read_only("on")).await;
            postgres.closes_open_connections();
            eventually("health says that it cannot write", async || {
                let answer = app.gets("/readyz").await;
                (answer.status == 503 && answer.body["checks"]["postgres"] == "failed").then_some(())
            })
            .await;
            session.me().await.ok();
            // The successor has the address now; the connections to the one before are still open.
            changes(app, format!("SET default_transaction_read_only = off; {}", read_only("off"))).await;
            eventually("the connections to be no longer new", async || {
                tokio::time::sleep(Duration::from_millis(1_100)).await;
                Some(())
            })
            .await;
            let meera = app.citizen("98765 43211");
            let code = meera.gets_code().await;
            // One unit of work may find it out; then every connection is replaced, and the code was given back.
            let found_out = meera.enters(&code).await;
            if found_out.status != 200 {
                found_out.refused(503, "dependency_unavailable");
                meera.enters(&code).await.ok();
            }
            session.logs_out().await.ok();
            app.becomes_ready().await;
        },
    )
    .await;
}

#[actix::test]
async fn a_migration_under_load_fails_no_request() {
    story(async |app| {
        let session = app.citizen("98765 43210").signs_in().await;
        uses_connections(&session).await;
        let load = async {
            loop {
                for answer in join_all((0..4).map(|_| session.me())).await {
                    answer.ok();
                }
            }
        };
        let migrate = async {
            // A column more, one less, and one of another type: what was prepared with it does not fit any more.
            for number in 0..5 {
                changes(app, format!("ALTER TABLE users ADD COLUMN added{number} text DEFAULT 'x'")).await;
                changes(app, "ALTER TABLE users ALTER COLUMN bio TYPE varchar(2000)".to_owned()).await;
                changes(app, "ALTER TABLE users ALTER COLUMN bio TYPE text".to_owned()).await;
                changes(app, format!("ALTER TABLE users DROP COLUMN added{number}")).await;
            }
        };
        assert!(matches!(select(pin!(load), pin!(migrate)).await, Either::Right(_)), "the load goes on for ever");
        let (one, other) = join(session.me(), app.citizen("98765 43211").signs_in()).await;
        one.ok();
        other.me().await.ok();
    })
    .await;
}

#[actix::test]
async fn a_redis_that_became_a_replica_is_left_for_its_successor() {
    let (old, new) = (OwnStack::start(), OwnStack::start());
    let redis = Proxy::before(&old.servers.redis);
    story_with(
        |settings| {
            settings.redis.url = Secret::from(old.servers.redis.as_str());
            redis.takes_over(&mut settings.redis.url);
        },
        async |app| {
            let ravi = app.citizen("98765 43210");
            ravi.requests_code().await.ok();
            let client = redis::Client::open(old.servers.redis.as_str()).unwrap();
            let mut admin = client.get_multiplexed_async_connection().await.unwrap();
            redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec_async(&mut admin).await.unwrap();
            eventually("health says that it cannot write", async || {
                let answer = app.gets("/readyz").await;
                (answer.body["checks"]["redis"] == "failed").then_some(())
            })
            .await;
            // Both have the same password only by chance: the address leads to one that is told ours.
            let password = url::Url::parse(&old.servers.redis).unwrap().password().unwrap_or_default().to_owned();
            let client = redis::Client::open(new.servers.redis.as_str()).unwrap();
            let mut admin = client.get_multiplexed_async_connection().await.unwrap();
            let set = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg(password).to_owned();
            set.exec_async(&mut admin).await.unwrap();
            redis.leads_to(&new.servers.redis);
            eventually("the connection to be no longer new", async || {
                tokio::time::sleep(Duration::from_millis(1_100)).await;
                Some(())
            })
            .await;
            ravi.requests_code().await.ok();
            app.becomes_ready().await;
        },
    )
    .await;
    old.ends().await;
    new.ends().await;
}

#[actix::test]
async fn a_redis_that_evicts_keys_is_refused() {
    let stack = OwnStack::start();
    story_on(&stack, async |app| {
        let mut admin = app.redis().await;
        let set = |policy: &'static str| redis::cmd("CONFIG").arg("SET").arg("maxmemory-policy").arg(policy).to_owned();
        set("volatile-lru").exec_async(&mut admin).await.unwrap();
        eventually("health blames Redis", async || {
            let answer = app.gets("/readyz").await;
            (answer.status == 503 && answer.body["checks"]["redis"] == "failed").then_some(())
        })
        .await;
        let overrides = || Overrides { clock: None, workers: false };
        let Err(refusal) = App::start(app.settings.clone(), overrides()).await else {
            panic!("it started");
        };
        assert!(refusal.to_string().contains("noeviction"), "{refusal}");
        set("noeviction").exec_async(&mut admin).await.unwrap();
        app.becomes_ready().await;
    })
    .await;
    stack.ends().await;
}
