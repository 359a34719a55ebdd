//! Connections that were given up half-way: nothing of that is left to whoever gets them next.

use std::pin::pin;
use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::domain::principal::UserId;
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::store::outbox::Message;
use civiclens_actors::store::{Config, Db, Losses};
use futures::future::{Either, join, select};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::support::{Quiet, TestApp, eventually, story};

const RAVI: i64 = 1;
const MEERA: i64 = 2;
const WAITING: &str =
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// A database with two people.
async fn with_two(app: &TestApp) -> Quiet {
    let quiet = app.quiet_database().await;
    quiet
        .does(
            "INSERT INTO users (phone, role, profile_completion, account_created_via, preferred_language, created_at, updated_at)
             SELECT phone, 'citizen', 'minimal', 'otp', 'en', now(), now()
             FROM unnest(ARRAY['+919876543210', '+919876543211']) AS phone",
        )
        .await;
    quiet
}

async fn holds(quiet: &Quiet, lock: &'static str) -> Transaction<'static, Postgres> {
    let mut held = quiet.pool.begin().await.unwrap();
    sqlx::query(lock).execute(&mut *held).await.unwrap();
    held
}

/// Begins to do `work`, and gives up once that waits for a lock.
async fn gives_up_on<T>(quiet: &Quiet, work: impl Future<Output = T>) {
    let waits = eventually("somebody who waits", async || (quiet.count(WAITING).await > 0).then_some(()));
    assert!(matches!(select(pin!(work), pin!(waits)).await, Either::Right(_)), "it did not wait");
}

fn message(number: u128) -> Message {
    Message {
        id: Uuid::from_u128(number),
        key: 0,
        subject: "test".to_owned(),
        payload: "{}".to_owned(),
        request_id: None,
        expires_at: None,
    }
}

#[actix::test]
async fn a_unit_of_work_that_is_dropped_frees_its_locks_by_itself() {
    story(async |app| {
        let quiet = with_two(app).await;
        let mut work = quiet.store.begin().await.unwrap();
        work.lock_account(RAVI.into()).await.unwrap().unwrap();
        let free = async || sqlx::query("SELECT id FROM users FOR UPDATE NOWAIT").execute(&quiet.pool).await.ok();
        assert!(free().await.is_none(), "it is locked");
        drop(work);
        // Nobody asks the store for anything meanwhile.
        eventually("the lock to go", free).await;
    })
    .await;
}

#[actix::test]
async fn what_was_given_up_inside_a_unit_of_work_is_rolled_back_and_what_follows_is_committed() {
    story(async |app| {
        let quiet = with_two(app).await;
        let held = holds(&quiet, "SELECT id FROM users FOR UPDATE").await;
        let locks = async || {
            let mut work = quiet.store.begin().await.unwrap();
            work.announce(message(1));
            work.lock_account(RAVI.into()).await.map(|_| ())
        };
        // Both connections that the store may have.
        gives_up_on(&quiet, join(locks(), locks())).await;
        held.rollback().await.unwrap();
        eventually("nobody who waits", async || (quiet.count(WAITING).await == 0).then_some(())).await;
        let now = app.clock.now();
        let (one, other) = join(quiet.store.enqueue(message(2), now), quiet.store.enqueue(message(3), now)).await;
        one.unwrap();
        other.unwrap();
        assert_eq!(quiet.count("SELECT count(*) FROM outbox").await, 2, "seen by others: no transaction was left open");
        quiet.does("SELECT id FROM users FOR UPDATE NOWAIT").await;
    })
    .await;
}

#[actix::test]
async fn listening_gives_up_as_soon_as_everything_else_does() {
    // Nobody listens on this port.
    let config = Config {
        url: Secret::from("postgres://nobody@127.0.0.1:1/nothing"),
        max_connections: 1,
        acquire_timeout: Duration::from_millis(200),
        statement_timeout: Duration::from_millis(200),
        losses: Losses::default(),
    };
    let listens = async { Db::new(&config).unwrap().listen_outbox().await.map(|_| ()) };
    let outcome = tokio::time::timeout(Duration::from_secs(10), listens).await;
    outcome.expect("the relay would stand still").unwrap_err();
}

#[actix::test]
async fn nobody_gets_the_answer_to_somebody_elses_question() {
    story(async |app| {
        let quiet = with_two(app).await;
        for id in [RAVI, MEERA] {
            let held = holds(&quiet, "LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await;
            gives_up_on(&quiet, join(quiet.store.user(id.into()), quiet.store.user(id.into()))).await;
            held.rollback().await.unwrap();
            let asks = async |id: i64| quiet.store.user(id.into()).await.unwrap().map(|user| user.id);
            let answers = join(asks(RAVI), asks(MEERA)).await;
            assert_eq!(answers, (Some(UserId::from(RAVI)), Some(UserId::from(MEERA))));
        }
    })
    .await;
}
