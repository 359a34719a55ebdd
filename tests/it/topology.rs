//! Streams and consumers are as defined, whatever happened to them.

use std::time::Duration;

use async_nats::jetstream::stream::RetentionPolicy;
use civiclens_nats::reconcile::{Outcome, Topology};
use civiclens_nats::subjects::StreamKind;

use crate::support::{TestApp, story};

const HOUR: Duration = Duration::from_hours(1);

fn topology(app: &TestApp) -> Topology {
    Topology { subjects: app.subjects.clone(), replicas: 1 }
}

/// Makes events live for an hour only.
async fn shortens_events(app: &TestApp) {
    let mut config = max_age_and_all(app).await.1;
    config.max_age = HOUR;
    app.jetstream.update_stream(config).await.unwrap();
}

async fn max_age_and_all(app: &TestApp) -> (Duration, async_nats::jetstream::stream::Config) {
    let stream = app.jetstream.get_stream(app.subjects.stream(StreamKind::Events)).await.unwrap();
    let config = stream.cached_info().config.clone();
    (config.max_age, config)
}

#[actix::test]
async fn what_drifted_is_mended_at_a_start_and_told() {
    story(async |app| {
        shortens_events(app).await;
        let drifts = topology(app).reconcile(&app.jetstream).await.unwrap();
        assert_eq!(drifts.len(), 1, "{drifts:?}");
        assert_eq!(drifts[0].outcome, Outcome::Mended);
        assert!(drifts[0].differences[0].starts_with("max_age: wanted 2592000s, found 3600s"), "{drifts:?}");
        assert_eq!(topology(app).reconcile(&app.jetstream).await.unwrap(), []);

        let name = app.subjects.stream(StreamKind::Activity);
        let mut config = app.jetstream.get_stream(&name).await.unwrap().cached_info().config.clone();
        app.jetstream.delete_stream(&name).await.unwrap();
        config.retention = RetentionPolicy::Interest;
        app.jetstream.create_stream(config).await.unwrap();
        let drifts = topology(app).reconcile(&app.jetstream).await.unwrap();
        assert_eq!(drifts.len(), 1, "{drifts:?}");
        assert!(matches!(drifts[0].outcome, Outcome::Refused(_)), "{drifts:?}");
    })
    .await;
}

#[actix::test]
async fn from_then_on_what_is_gone_comes_back_and_what_differs_stays() {
    story(async |app| {
        shortens_events(app).await;
        assert_eq!(topology(app).restore(&app.jetstream).await.unwrap(), Vec::<String>::new());
        assert_eq!(max_age_and_all(app).await.0, HOUR, "another version may want it so");

        let jobs = app.subjects.stream(StreamKind::Notify);
        app.jetstream.delete_stream(&jobs).await.unwrap();
        let made = topology(app).restore(&app.jetstream).await.unwrap();
        assert!(made.contains(&format!("stream {jobs}")), "{made:?}");
        assert!(made.contains(&format!("consumer sms on {jobs}")), "{made:?}");
        app.citizen("98765 43210").signs_in().await;
    })
    .await;
}
