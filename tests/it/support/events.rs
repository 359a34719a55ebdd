//! What a subscriber elsewhere hears.

use async_nats::jetstream;
use civiclens_nats::subjects::StreamKind;
use serde_json::{Map, Value};

use super::{TestApp, contract, eventually};

/// A message on a stream.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) subject: String,
    pub(crate) message_id: String,
    pub(crate) request_id: String,
    pub(crate) body: Value,
}

impl Event {
    /// The subject without the prefix of the test.
    pub(crate) fn name(&self) -> &str {
        self.subject.split_once('.').unwrap().1
    }
}

/// What they are called.
pub(crate) fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::name).collect()
}

impl TestApp {
    /// Everything on a stream, once there is at least `count`.
    pub(crate) async fn on_stream(&self, kind: StreamKind, count: usize) -> Vec<Event> {
        let name = self.subjects.stream(kind);
        eventually(&format!("{count} messages on {name}"), async || {
            let all = read_all(&self.jetstream, &name).await?;
            (all.len() >= count).then_some(all)
        })
        .await
    }

    pub(crate) async fn events(&self, count: usize) -> Vec<Event> {
        self.on_stream(StreamKind::Events, count).await
    }

    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<Event> {
        self.on_stream(StreamKind::NotifyDead, count).await
    }
}

/// Every message on a stream, each held to the contract; `None` if there is no such stream.
pub(super) async fn read_all(jetstream: &jetstream::Context, name: &str) -> Option<Vec<Event>> {
    let mut stream = jetstream.get_stream(name).await.ok()?;
    let state = stream.info().await.ok()?.state.clone();
    let mut all = Vec::new();
    for sequence in state.first_sequence.max(1)..=state.last_sequence {
        // A job that was done meanwhile is gone.
        let Ok(message) = stream.get_raw_message(sequence).await else { continue };
        let all_headers = message.headers.iter();
        let headers = all_headers.map(|(name, values)| (name.to_string(), Value::from(values[0].as_str())));
        let headers: Map<String, Value> = headers.collect();
        let header = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let event = Event {
            subject: message.subject.to_string(),
            message_id: header("Nats-Msg-Id"),
            request_id: header(civiclens_nats::publish::REQUEST_ID),
            body: serde_json::from_slice(&message.payload).unwrap(),
        };
        contract::holds(event.name(), &headers, &event.body);
        all.push(event);
    }
    Some(all)
}
