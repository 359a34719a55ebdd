//! What the relay relies on: which messages it gets, and when it is woken.

use std::collections::HashSet;
use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::store::outbox::{Listener, Message};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Quiet, TestApp, story};

/// A message about the user `key`.
fn message(key: i64, number: u128) -> Message {
    Message {
        id: Uuid::from_u128((u128::from(key.unsigned_abs()) << 64) + number),
        key,
        subject: "test".to_owned(),
        payload: json!({}),
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
            let lease = quiet.store.lease_outbox(8, 512).await.unwrap();
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
