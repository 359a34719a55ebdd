//! What the relay relies on: which messages it gets, and when it is woken.

use std::collections::HashSet;
use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::store::outbox::Message;
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
