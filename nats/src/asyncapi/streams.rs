//! Streams and consumers in the `AsyncAPI` document, which has no words of its own for them.

use serde_json::{Value, json};

use crate::consumers;
use crate::streams;
use crate::subjects::{Channel, StreamKind, Subjects};

/// What the `x-jetstream` extension holds. Replicas are the operator's choice and left out.
pub(super) fn describe(subjects: &Subjects) -> Value {
    let streams: Vec<Value> = StreamKind::ALL.into_iter().map(|kind| stream(subjects, kind)).collect();
    let consumers: Vec<Value> = Channel::ALL.into_iter().map(|channel| consumer(subjects, channel)).collect();
    json!({ "streams": streams, "consumers": consumers })
}

fn stream(subjects: &Subjects, kind: StreamKind) -> Value {
    let config = streams::definition(subjects, kind, 1);
    let mut described = json!({
        "name": config.name,
        "description": config.description,
        "subjects": config.subjects,
        "retention": config.retention,
        "discard": config.discard,
        "storage": config.storage,
        "maxAgeSeconds": config.max_age.as_secs(),
        "duplicateWindowSeconds": config.duplicate_window.as_secs(),
    });
    if config.max_bytes > 0 {
        described["maxBytes"] = Value::from(config.max_bytes);
    }
    described
}

fn consumer(subjects: &Subjects, channel: Channel) -> Value {
    let config = consumers::definition(subjects, channel);
    json!({
        "name": config.durable_name,
        "stream": subjects.stream(StreamKind::Notify),
        "filterSubject": config.filter_subject,
        "ackPolicy": config.ack_policy,
        "ackWaitSeconds": config.ack_wait.as_secs(),
        "maxAckPending": config.max_ack_pending,
        "description": config.description,
    })
}
