//! Publishing: to a stream with an acknowledgement, or to every node without one.
//!
//! Bound: one timeout per message, and no queue. When there is no connection it fails at once: what must not be lost is
//! in the caller's database, not in this process's memory. After [`Error::Timeout`] the message may or may not be in
//! the stream; publishing it again with the same id is safe for as long as the stream remembers ids
//! ([`DUPLICATE_WINDOW`](crate::streams::DUPLICATE_WINDOW)).

use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::{Client, HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::envelope::{CONTENT_TYPE, Envelope};
use crate::subjects::Subjects;
use crate::wire::Payload;

/// The header that carries the request a message comes from.
pub const REQUEST_ID: &str = "Request-Id";
pub(crate) const MESSAGE_ID: &str = "Nats-Msg-Id";
pub(crate) const CONTENT_TYPE_HEADER: &str = "Content-Type";

/// A broadcast that takes longer than this is of no use.
const BROADCAST_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a message was not published, as far as one can know.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection; nothing was sent.
    #[error("there is no connection to NATS")]
    NotConnected,
    /// No acknowledgement came in time; the message may have arrived.
    #[error("NATS did not acknowledge in time")]
    Timeout,
    /// The server or the client library refuses the message: the stream is full or missing, or the message too large.
    #[error("NATS did not take the message: {0}")]
    Rejected(String),
    /// The payload cannot be written as JSON.
    #[error("the payload cannot be written as JSON")]
    Encode(#[from] serde_json::Error),
}

/// The stream's acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// The stream had the id already; nothing was added.
    pub duplicate: bool,
    /// Where in the stream the message is.
    pub sequence: u64,
}

/// Publishes to streams and waits for the acknowledgement. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Publisher {
    js: Context,
    subjects: Subjects,
    timeout: Duration,
}

impl Publisher {
    /// A publisher that waits at most `timeout` for each acknowledgement.
    pub fn new(js: Context, subjects: Subjects, timeout: Duration) -> Self {
        Self { js, subjects, timeout }
    }

    /// How the subjects are called.
    pub fn subjects(&self) -> &Subjects {
        &self.subjects
    }

    /// Whether there is a connection at this moment.
    pub fn is_connected(&self) -> bool {
        is_connected(&self.js.client())
    }

    /// Publishes bytes that are an envelope already, as the outbox keeps them.
    ///
    /// # Errors
    /// Every variant of [`Error`] but `Encode`.
    pub async fn publish_raw(
        &self,
        subject: String,
        id: Uuid,
        body: Vec<u8>,
        request_id: Option<&str>,
    ) -> Result<Published, Error> {
        self.send(subject, headers(&id.to_string(), CONTENT_TYPE, request_id), body).await
    }

    /// Publishes an envelope.
    ///
    /// # Errors
    /// Every variant of [`Error`].
    pub async fn publish<T: Payload>(&self, subject: String, envelope: &Envelope<T>) -> Result<Published, Error> {
        self.publish_raw(subject, envelope.id, envelope.to_vec()?, envelope.request_id.as_deref()).await
    }

    pub(crate) async fn send(&self, subject: String, headers: HeaderMap, body: Vec<u8>) -> Result<Published, Error> {
        if !self.is_connected() {
            return Err(Error::NotConnected);
        }
        let message = PublishMessage::build().headers(headers).payload(body.into());
        let acknowledged = async { self.js.send_publish(subject, message).await?.await };
        match tokio::time::timeout(self.timeout, acknowledged).await {
            Ok(Ok(ack)) => Ok(Published { duplicate: ack.duplicate, sequence: ack.sequence }),
            Ok(Err(error)) => Err(refusal(&error)),
            Err(_) => Err(Error::Timeout),
        }
    }
}

/// A message to every other process that listens, ready to be sent.
#[derive(Clone, Debug)]
pub struct Broadcast {
    id: Uuid,
    request_id: Option<String>,
    body: Vec<u8>,
}

impl Broadcast {
    /// The broadcast of an envelope.
    ///
    /// # Errors
    /// [`Error::Encode`].
    pub fn of<T: Payload>(envelope: Envelope<T>) -> Result<Self, Error> {
        Ok(Self { body: envelope.to_vec()?, id: envelope.id, request_id: envelope.request_id })
    }
}

/// Tells every other process that listens at this moment, over plain NATS. Returns when the message is with the client
/// library, which sends what it has as soon as it can.
///
/// # Errors
/// Every variant of [`Error`] but `Encode`; nobody acknowledges a broadcast, so success says nothing about who heard it.
pub async fn broadcast(client: &Client, subject: String, message: Broadcast) -> Result<(), Error> {
    if !is_connected(client) {
        return Err(Error::NotConnected);
    }
    let headers = headers(&message.id.to_string(), CONTENT_TYPE, message.request_id.as_deref());
    let sent = client.publish_with_headers(subject, headers, message.body.into());
    match tokio::time::timeout(BROADCAST_TIMEOUT, sent).await {
        Ok(sent) => sent.map_err(|error| Error::Rejected(error.to_string())),
        Err(_) => Err(Error::Timeout),
    }
}

/// Whether there is a connection at this moment. One that fell silent is given up within seconds (see [`crate::client`]).
pub fn is_connected(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

fn refusal(error: &PublishError) -> Error {
    match error.kind() {
        // A broken pipe: the connection went while the acknowledgement was awaited.
        PublishErrorKind::TimedOut | PublishErrorKind::BrokenPipe => Error::Timeout,
        _ => Error::Rejected(error.to_string()),
    }
}

/// The headers of a message. A request id that is no plain header value is left out: it comes from a client, and the
/// client library panics on a line break.
pub(crate) fn headers(message_id: &str, content_type: &str, request_id: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let pairs = [(MESSAGE_ID, Some(message_id)), (CONTENT_TYPE_HEADER, Some(content_type)), (REQUEST_ID, request_id)];
    for (name, value) in pairs {
        if let Some(value) = value.filter(|value| is_plain(value)).and_then(|value| value.parse::<HeaderValue>().ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.len() <= 256 && value.bytes().all(|c| c == b' ' || c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_id_and_its_request() {
        let made = headers("id-1", CONTENT_TYPE, Some("req-1"));
        let get = |name: &str| made.get(name).map(HeaderValue::as_str);
        assert_eq!(get("Nats-Msg-Id"), Some("id-1"));
        assert_eq!(get("Content-Type"), Some("application/cloudevents+json"));
        assert_eq!(get("Request-Id"), Some("req-1"));
    }

    #[test]
    fn a_request_id_cannot_smuggle_a_header() {
        for bad in ["", "a\r\nNats-Rollup: all", "tab\t", "é", &"x".repeat(257)] {
            assert!(headers("id-1", CONTENT_TYPE, Some(bad)).get(REQUEST_ID).is_none(), "{bad:?}");
        }
    }
}
