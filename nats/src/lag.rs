//! How far a consumer is behind, for gauges and alerts.

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull;

/// The server did not tell.
#[derive(Debug, thiserror::Error)]
#[error("the lag of consumer {consumer} on {stream} cannot be read: {reason}")]
pub struct Error {
    /// The stream.
    pub stream: String,
    /// The consumer.
    pub consumer: String,
    /// What the server, or the connection to it, said.
    pub reason: String,
}

/// What a consumer has before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Messages that were not delivered to anyone yet.
    pub pending: u64,
    /// Messages that are being handled, or waiting to be tried again.
    pub ack_pending: u64,
    /// Those of them that were delivered more than once.
    pub redelivered: u64,
}

/// Asks the server how far a consumer is behind.
///
/// # Errors
/// [`Error`] when there is no such consumer or no answer; the client's request timeout bounds the wait.
pub async fn consumer_lag(js: &Context, stream: &str, consumer: &str) -> Result<Lag, Error> {
    let found = js.get_consumer_from_stream::<pull::Config, _, _>(consumer, stream).await.map_err(|error| Error {
        stream: stream.to_owned(),
        consumer: consumer.to_owned(),
        reason: error.to_string(),
    })?;
    let info = found.cached_info();
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    Ok(Lag {
        pending: info.num_pending,
        ack_pending: count(info.num_ack_pending),
        redelivered: count(info.num_redelivered),
    })
}
