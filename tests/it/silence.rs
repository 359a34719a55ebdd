//! A peer falls silent: it neither answers nor closes the connection, as after a fail-over or behind a firewall that forgot
//! the connection. Everything that waits for it goes on within seconds, and says so meanwhile.

use std::time::{Duration, Instant};

use crate::support::{Answer, Proxy, Session, TestApp, eventually, shared, story_with};

/// Within this a request is answered, whatever PostgreSQL does.
const LIMIT: Duration = Duration::from_secs(5);

/// How long `work` takes, and what comes of it.
async fn timed<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let began = Instant::now();
    let done = work.await;
    (began.elapsed(), done)
}

/// Ends a session behind the service's back, so that it is only read of.
async fn is_ended_elsewhere(app: &TestApp, session: &Session<'_>) {
    let end = "UPDATE sessions SET revoked_at = $2, revoked_reason = 'logout' WHERE id = $1";
    let now = civiclens_actors::domain::clock::Clock::now(&*app.clock);
    sqlx::query(end).bind(session.id()).bind(now).execute(&app.db).await.unwrap();
}

async fn waiting(app: &TestApp) -> i64 {
    app.count("SELECT count(*) FROM outbox WHERE published_at IS NULL").await
}

#[actix::test]
async fn loops_go_on_after_their_database_connections_fell_silent() {
    let postgres = Proxy::before(&shared().database);
    story_with(
        |settings| postgres.takes_over(&mut settings.database.url),
        async |app| {
            let (ravi, meera) = (app.citizen("98765 43210"), app.citizen("98765 43211"));
            let (session, other) = (ravi.signs_in().await, meera.signs_in().await);
            other.me().await.ok();
            eventually("an empty outbox", async || (waiting(app).await == 0).then_some(())).await;
            postgres.open_connections_fall_silent();
            is_ended_elsewhere(app, &session).await;
            let (took, ()) =
                timed(eventually("the end is seen", async || (session.whoami().await.status == 401).then_some(())))
                    .await;
            assert!(took < Duration::from_secs(12), "revocations were read again after {took:?}");
            // Requests find out by themselves, and what they commit leaves.
            let (took, answer) = timed(other.me()).await;
            answer.ok();
            assert!(took < LIMIT, "{took:?}");
            other.logs_out().await.ok();
            eventually("an empty outbox", async || (waiting(app).await == 0).then_some(())).await;
            app.becomes_ready().await;
        },
    )
    .await;
}

#[actix::test]
async fn a_database_that_hangs_is_answered_for_within_seconds_and_health_names_the_loops() {
    let postgres = Proxy::before(&shared().database);
    story_with(
        |settings| postgres.takes_over(&mut settings.database.url),
        async |app| {
            let session = app.citizen("98765 43210").signs_in().await;
            let code = app.citizen("98765 43211").gets_code().await;
            session.me().await.ok();
            postgres.everything_falls_silent();
            let enters = app.citizen("98765 43211");
            let asks: [futures::future::LocalBoxFuture<'_, Answer>; 3] =
                [Box::pin(session.me()), Box::pin(enters.enters(&code)), Box::pin(session.logs_out())];
            for (took, answer) in futures::future::join_all(asks.map(timed)).await {
                answer.refused(503, "dependency_unavailable");
                assert!(took < LIMIT, "{took:?}");
            }
            session.whoami().await.ok();
            let told = eventually("health blames the loops", async || {
                let answer = app.gets("/readyz").await;
                let checks = &answer.body["checks"];
                (checks["postgres"] == "failed" && checks["loops"] == "failed").then_some(answer)
            })
            .await;
            assert_eq!(told.status, 503);
            assert!(told.body["loops"]["revocations"].as_f64().unwrap() > 15.0, "{told:?}");
            let metrics = app.gets("/metrics").await.ok().body.as_str().unwrap().to_owned();
            assert!(metrics.contains("civiclens_loop_last_success_seconds{loop=\"revocations\"}"), "{metrics}");
            postgres.forwards_again();
            app.becomes_ready().await;
            // The code was given back, whatever PostgreSQL did with what was asked of it.
            enters.enters(&code).await.ok();
        },
    )
    .await;
}

#[actix::test]
async fn a_silent_connection_to_redis_is_replaced_after_one_command() {
    let redis = Proxy::before(&shared().redis);
    story_with(
        |settings| redis.takes_over(&mut settings.redis.url),
        async |app| {
            let ravi = app.citizen("98765 43210");
            ravi.requests_code().await.ok();
            redis.open_connections_fall_silent();
            let (took, answer) = timed(ravi.requests_code()).await;
            assert!(answer.status == 503 && took < LIMIT, "{took:?} {answer:?}");
            let (took, answer) = timed(ravi.requests_code()).await;
            answer.ok();
            assert!(took < Duration::from_secs(1), "{took:?}");
            app.becomes_ready().await;
        },
    )
    .await;
}

#[actix::test]
async fn a_silent_connection_to_nats_is_replaced_and_everything_committed_leaves() {
    let nats = Proxy::before(&shared().nats);
    story_with(
        |settings| nats.takes_over(&mut settings.nats.url),
        async |app| {
            app.citizen("98765 43210").signs_in().await;
            app.events(2).await;
            nats.open_connections_fall_silent();
            let (took, ()) = timed(async {
                let meera = app.citizen("98765 43211");
                meera.requests_code().await.ok();
                let code = meera.code_from_sms().await;
                meera.enters(&code).await.ok();
                app.events(4).await;
            })
            .await;
            assert!(took < Duration::from_secs(20), "{took:?}");
            app.becomes_ready().await;
        },
    )
    .await;
}
