//! What the relay relies on: which messages it gets, and when it is woken.

use std::collections::HashSet;
use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::outbox::Relay;
use civiclens_actors::store::outbox::{Listener, Message};
use civiclens_nats::publish::Publisher;
use uuid::Uuid;

use crate::support::{Quiet, TestApp, story};

/// A message about the user `key`.
fn message(key: i64, number: u128) -> Message {
    Message {
        id: Uuid::from_u128((u128::from(key.unsigned_abs()) << 64) + number),
        key,
        subject: "test".to_owned(),
        payload: "{}".to_owned(),
        request_id: None,
        expires_at: None,
    }
}

async fn one_for_each_lane(app: &TestApp, quiet: &Quiet, number: u128) {
    for key in 0..16 {
        quiet.store.enqueue(message(key, number), app.clock.now()).await.unwrap();
    }
}

#[actix::test]
async fn no_lane_starves_while_all_are_busy() {
    story(async |app| {
        let quiet = app.quiet_database().await;
        one_for_each_lane(app, &quiet, 1).await;
        let mut served = HashSet::new();
        for pass in 2..4 {
            let lease = quiet.store.lease_outbox(8, 512, &[]).await.unwrap();
            served.extend(lease.pending.iter().map(|pending| pending.message.key));
            let rows: Vec<i64> = lease.pending.iter().map(|pending| pending.row).collect();
            lease.commit(&rows, app.clock.now()).await.unwrap();
            one_for_each_lane(app, &quiet, pass).await;
        }
        assert_eq!(served.len(), 16, "{served:?}");
    })
    .await;
}

#[actix::test]
async fn a_wake_up_for_what_was_read_already_is_forgotten() {
    story(async |app| {
        let quiet = app.quiet_database().await;
        let mut listener = quiet.store.listen_outbox().await.unwrap();
        one_for_each_lane(app, &quiet, 1).await;
        let silent = async |listener: &mut Listener| {
            tokio::time::timeout(Duration::from_millis(200), listener.hears()).await.is_err()
        };
        let mut heard = 0;
        loop {
            listener.forget();
            if silent(&mut listener).await {
                break;
            }
            heard += 1;
        }
        assert!(heard < 4, "{heard} wake-ups for sixteen commits");
        one_for_each_lane(app, &quiet, 2).await;
        assert!(listener.hears().await, "and what comes later is heard");
    })
    .await;
}

fn relay(app: &TestApp, quiet: &Quiet) -> Relay {
    let publisher = Publisher::new(app.jetstream.clone(), app.subjects.clone(), Duration::from_secs(2));
    Relay::new(quiet.store.clone(), publisher, app.clock.clone(), chrono::Duration::days(7))
}

#[actix::test]
async fn a_message_that_nats_refuses_holds_up_only_its_own_user() {
    story(async |app| {
        let quiet = app.quiet_database().await;
        let relay = relay(app, &quiet);
        let event = app.subjects.event("user.registered");
        let to = |key, number, subject: &str| Message { subject: subject.to_owned(), ..message(key, number) };
        let enqueue = async |message| quiet.store.enqueue(message, app.clock.now()).await.unwrap();
        // More of them than one batch holds, in every lane, and older than everything else.
        quiet
            .does(
                "INSERT INTO outbox (created_at, message_id, lane, key, subject, payload)
                 SELECT now(), gen_random_uuid(), n % 16, n, 'a.subject.that.no.stream.takes', '{}'
                 FROM generate_series(1000, 1599) AS n",
            )
            .await;
        enqueue(to(1000, 1, &event)).await;
        enqueue(to(1, 1, &event)).await;
        let published = "SELECT count(*) FROM outbox WHERE published_at IS NOT NULL";
        for _ in 0..4 {
            let _ = relay.step().await;
        }
        assert_eq!(quiet.count(published).await, 1, "the other user's, and not what stands behind a refused one");
        enqueue(to(1, 2, &event)).await;
        assert_eq!(relay.step().await.unwrap(), 1);
    })
    .await;
}

#[actix::test]
async fn the_lag_is_that_of_the_oldest_message_in_any_lane() {
    story(async |app| {
        let quiet = app.quiet_database().await;
        quiet
            .does(
                "INSERT INTO outbox (created_at, message_id, lane, key, subject, payload)
                 SELECT CASE n WHEN 1 THEN timestamptz '2026-01-01Z' ELSE '2026-01-02Z' END, gen_random_uuid(),
                        CASE n WHEN 1 THEN 15 ELSE 0 END, n, 'test', '{}'
                 FROM generate_series(1, 10500) AS n",
            )
            .await;
        let (waiting, oldest) = quiet.store.outbox_lag().await.unwrap();
        assert_eq!(waiting, 10_000);
        assert_eq!(oldest.unwrap().to_rfc3339(), "2026-01-01T00:00:00+00:00");
    })
    .await;
}

#[actix::test]
async fn a_replay_marks_every_event_and_no_job() {
    story(async |app| {
        let quiet = app.quiet_database().await;
        quiet
            .does(
                "INSERT INTO outbox (created_at, message_id, lane, key, subject, payload, expires_at, published_at)
                 SELECT now(), gen_random_uuid(), n % 16, n, 'test', '{}', CASE WHEN n % 100 = 0 THEN now() END,
                        CASE WHEN n > 500 THEN timestamptz '2026-01-02Z' ELSE '2026-01-01Z' END
                 FROM generate_series(1, 25500) AS n",
            )
            .await;
        let since = "2026-01-02T00:00:00Z".parse().unwrap();
        assert_eq!(quiet.store.replay_outbox(since).await.unwrap(), 24_750);
        let waiting = "SELECT count(*) FROM outbox WHERE published_at IS NULL";
        assert_eq!(quiet.count(waiting).await, 24_750);
    })
    .await;
}
