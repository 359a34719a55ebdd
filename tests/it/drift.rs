//! Streams and consumers on the server are what the contract says, whatever was done to them meanwhile.

use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::{Config, RetentionPolicy};
use civiclens_nats::reconcile::{Drift, Outcome};
use civiclens_nats::subjects::{Channel, StreamKind};
use civiclens_nats::{consumers, streams};
use futures::future::join;

use crate::support::Ground;

async fn consumer(ground: &Ground, channel: Channel) -> pull::Config {
    let stream = ground.subjects.stream(StreamKind::Notify);
    let name = consumers::name(channel);
    let found = ground.jetstream.get_consumer_from_stream::<pull::Config, _, _>(name, stream).await.unwrap();
    let config = found.cached_info().config.clone();
    pull::Config { ack_wait: config.ack_wait, max_ack_pending: config.max_ack_pending, ..pull::Config::default() }
}

/// Everything is as it is defined.
async fn all_is_well(ground: &Ground) {
    for kind in StreamKind::ALL {
        let (wanted, found) = (streams::definition(&ground.subjects, kind, 1), ground.stream(kind).await);
        assert_eq!(found.subjects, wanted.subjects);
        assert_eq!((found.max_age, found.max_bytes), (wanted.max_age, wanted.max_bytes), "{kind:?}");
        assert_eq!((found.retention, found.discard), (wanted.retention, wanted.discard), "{kind:?}");
    }
    for channel in Channel::ALL {
        let (wanted, found) = (consumers::definition(&ground.subjects, channel), consumer(ground, channel).await);
        assert_eq!((found.ack_wait, found.max_ack_pending), (wanted.ack_wait, wanted.max_ack_pending), "{channel}");
    }
}

#[actix::test]
async fn two_nodes_that_start_at_once_make_everything_once() {
    Ground::story(async |ground| {
        let (one, other) = join(ground.reconciles(), ground.reconciles()).await;
        assert_eq!([one, other].concat(), [], "what is new is no drift");
        all_is_well(ground).await;
        assert_eq!(ground.reconciles().await, []);
    })
    .await;
}

#[actix::test]
async fn what_was_changed_is_mended_and_told() {
    Ground::story(async |ground| {
        ground.reconciles().await;
        let changed = Config { max_age: Duration::from_hours(1), ..ground.stream(StreamKind::Events).await };
        ground.jetstream.update_stream(&changed).await.unwrap();
        let mut changed = consumers::definition(&ground.subjects, Channel::Sms);
        changed.ack_wait = Duration::from_secs(5);
        let notify = ground.subjects.stream(StreamKind::Notify);
        ground.jetstream.update_consumer_on_stream(changed, &notify).await.unwrap();

        let events = ground.subjects.stream(StreamKind::Events);
        let expected = [
            (format!("stream {events}"), "max_age: wanted 2592000s, found 3600s"),
            (format!("consumer sms on {notify}"), "ack_wait: wanted 30s, found 5s"),
        ];
        let expected = expected.map(|(object, difference)| Drift {
            object,
            differences: vec![difference.to_owned()],
            outcome: Outcome::Mended,
        });
        assert_eq!(ground.reconciles().await, expected);
        all_is_well(ground).await;
        assert_eq!(ground.reconciles().await, [], "told once");
    })
    .await;
}

#[actix::test]
async fn what_cannot_be_mended_is_told_and_left_and_the_rest_is_mended() {
    Ground::story(async |ground| {
        let wanted = streams::definition(&ground.subjects, StreamKind::Activity, 1);
        let other = Config { retention: RetentionPolicy::Interest, max_age: Duration::from_hours(1), ..wanted };
        ground.jetstream.create_stream(other).await.unwrap();
        let name = ground.subjects.stream(StreamKind::Activity);
        let drifts = ground.reconciles().await;
        let outcomes: Vec<_> = drifts.iter().map(|drift| (drift.differences.join(", "), &drift.outcome)).collect();
        assert_eq!(drifts.len(), 2, "{drifts:?}");
        assert!(drifts.iter().all(|drift| drift.object == format!("stream {name}")), "{drifts:?}");
        assert_eq!(outcomes[0], ("max_age: wanted 604800s, found 3600s".to_owned(), &Outcome::Mended));
        assert_eq!(outcomes[1].0, "retention: wanted Limits, found Interest");
        assert!(matches!(outcomes[1].1, Outcome::Refused(_)), "{drifts:?}");
        assert_eq!(ground.stream(StreamKind::Activity).await.retention, RetentionPolicy::Interest);
        // It is told for as long as it is so, and all the others are there.
        assert_eq!(ground.reconciles().await.len(), 1);
        assert_eq!(ground.stream(StreamKind::Notify).await.retention, RetentionPolicy::WorkQueue);
    })
    .await;
}

#[actix::test]
async fn what_was_deleted_is_made_again() {
    Ground::story(async |ground| {
        ground.reconciles().await;
        ground.jetstream.delete_stream(ground.subjects.stream(StreamKind::Events)).await.unwrap();
        let notify = ground.jetstream.get_stream(ground.subjects.stream(StreamKind::Notify)).await.unwrap();
        notify.delete_consumer(&consumers::name(Channel::Sms)).await.unwrap();
        assert_eq!(ground.reconciles().await, [], "what is new is no drift");
        all_is_well(ground).await;
    })
    .await;
}
