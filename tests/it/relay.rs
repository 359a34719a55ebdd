//! From a commit to the stream: at once, at least once, in the end once.

use std::time::{Duration, Instant};

use chrono::DateTime;
use civiclens_nats::envelope::Envelope;
use civiclens_nats::events::session::RevokedV1;
use civiclens_nats::publish::Publisher;
use civiclens_nats::subjects::{Channel, StreamKind};
use civiclens_nats::wire::Described;
use serde_json::Value;
use sqlx::Row;
use uuid::Uuid;

use crate::support::{Ended, Folder, TestApp, eventually, story};

const WAITING: &str = "SELECT count(*) FROM outbox WHERE published_at IS NULL";

/// Puts an event into the outbox with nothing but SQL, and says so to the relays, or not.
async fn commits(app: &TestApp, number: i64, notify: bool) {
    let id = Uuid::from_u128(u128::try_from(number).unwrap());
    let event = RevokedV1 { user_id: number, ..RevokedV1::example() };
    let body = Envelope::new(id, DateTime::UNIX_EPOCH, number, event).to_text().unwrap();
    let mut transaction = app.db.begin().await.unwrap();
    sqlx::query(
        "INSERT INTO outbox (created_at, message_id, lane, key, subject, payload) VALUES (now(), $1, $2 % 16, $2, $3, $4::jsonb)",
    )
    .bind(id)
    .bind(number)
    .bind(app.subjects.event("session.revoked"))
    .bind(body)
    .execute(&mut *transaction)
    .await
    .unwrap();
    if notify {
        sqlx::query("SELECT pg_notify('civiclens_outbox', '')").execute(&mut *transaction).await.unwrap();
    }
    transaction.commit().await.unwrap();
}

#[actix::test]
async fn a_commit_is_heard_at_once_and_one_nobody_told_of_is_found() {
    story(async |app| {
        let waited = async |count: usize| {
            let started = Instant::now();
            app.events(count).await;
            started.elapsed()
        };
        let mut told = Duration::ZERO;
        for number in 1..=8 {
            commits(app, number, true).await;
            told += waited(usize::try_from(number).unwrap()).await;
        }
        // By the clock alone, which goes once a second, these would take about four.
        assert!(told < Duration::from_secs(2), "{told:?}");
        commits(app, 9, false).await;
        waited(9).await;
        eventually("marks", async || (app.count(WAITING).await == 0).then_some(())).await;
    })
    .await;
}

#[actix::test]
async fn a_relay_that_died_after_publishing_leaves_no_second_event() {
    story(async |app| {
        // It holds its lanes, as a relay does while it publishes; so nobody else touches them.
        let mut dying = app.db.begin().await.unwrap();
        sqlx::query("SELECT lane FROM outbox_lanes FOR UPDATE").execute(&mut *dying).await.unwrap();
        app.citizen("98765 43210").signs_in().await;
        let rows = sqlx::query("SELECT message_id, subject, payload FROM outbox ORDER BY id").fetch_all(&app.db).await;
        let publisher = Publisher::new(app.jetstream.clone(), app.subjects.clone(), Duration::from_secs(5));
        for row in rows.unwrap() {
            let body = row.get::<Value, _>("payload").to_string().into_bytes();
            let sent = publisher.publish_raw(row.get("subject"), row.get("message_id"), body, None).await.unwrap();
            assert!(!sent.duplicate);
        }
        assert_eq!(app.events(2).await.len(), 2);
        assert_eq!(app.count(WAITING).await, 2, "they were not marked");
        // It dies: the database lets go of its lanes.
        dying.rollback().await.unwrap();
        eventually("marks", async || (app.count(WAITING).await == 0).then_some(())).await;
        assert_eq!(app.events(2).await.len(), 2);
    })
    .await;
}

#[actix::test]
async fn what_was_published_long_ago_is_cleaned_up() {
    story(async |app| {
        app.citizen("98765 43210").signs_in().await;
        app.events(2).await;
        eventually("marks", async || (app.count(WAITING).await == 0).then_some(())).await;
        app.minutes_pass(7 * 24 * 60 + 1);
        app.citizen("98765 43211").signs_in().await;
        app.events(4).await;
        // A relay cleans up when it starts, and every ten seconds.
        let other = app.replica().await;
        let left = "SELECT count(*) FROM outbox";
        eventually("a clean outbox", async || (app.count(left).await == 2).then_some(())).await;
        let new = "SELECT count(*) FROM outbox o JOIN users u ON u.id = o.key WHERE u.phone = '+919876543211'";
        assert_eq!(app.count(new).await, 2);
        other.stop().await;
    })
    .await;
}

#[actix::test]
async fn events_that_nats_lost_are_published_again_under_the_same_ids_and_no_sms_is() {
    story(async |app| {
        app.citizen("98765 43210").signs_in().await;
        let before: Vec<_> = app.events(2).await.into_iter().map(|event| event.message_id).collect();
        // A job that once waited in the outbox for NATS.
        let job = "INSERT INTO outbox (created_at, message_id, lane, key, subject, payload, expires_at, published_at) \
                   VALUES (now(), gen_random_uuid(), 0, 0, $1, '{}', now() + interval '5 minutes', now())";
        let subject = app.subjects.notify(Channel::Sms);
        sqlx::query(job).bind(subject).execute(&app.db).await.unwrap();
        eventually("marks", async || (app.count(WAITING).await == 0).then_some(())).await;

        app.jetstream.delete_stream(app.subjects.stream(StreamKind::Events)).await.unwrap();
        // A node that starts makes the stream again.
        app.replica().await.stop().await;
        assert_eq!(app.events(0).await.len(), 0);
        let folder = Folder::new();
        let since = DateTime::UNIX_EPOCH.to_rfc3339();
        let replay = app.command(&folder, &["events", "replay", "--since", &since]);
        let told = Ended::of(replay, "").ok();
        assert!(told.err.contains("count=2"), "{told:?}");
        let after: Vec<_> = app.events(2).await.into_iter().map(|event| event.message_id).collect();
        assert_eq!(after, before);
        assert_eq!(app.twilio.posts(), 1);
        let jobs = app.count("SELECT count(*) FROM outbox WHERE expires_at IS NOT NULL AND published_at IS NULL").await;
        assert_eq!(jobs, 0);
    })
    .await;
}
