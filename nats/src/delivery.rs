//! One delivery, from the bytes to the acknowledgement.
//!
//! It never loses a message: whatever cannot be acknowledged or put among the dead letters stays in the stream and
//! comes again.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::message::Acker;
use async_nats::jetstream::{AckKind, Message};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::consume::{Delivery, Failure, Handler, WorkerOptions};
use crate::dead_letter::DeadLetter;
use crate::envelope::Envelope;
use crate::publish::MESSAGE_ID;
use crate::wire::Payload as _;

/// How long the server may take to confirm an acknowledgement.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);
/// The code of a job that was tried often enough.
const EXHAUSTED: &str = "attempts_exhausted";

const DELIVERIES: &str = "civiclens_deliveries_total";
const IN_FLIGHT: &str = "civiclens_consumer_in_flight";

/// What all deliveries of one consumer share.
pub(crate) struct Worker<H> {
    handler: Arc<H>,
    options: WorkerOptions,
    consumer: String,
}

/// A message without the means to acknowledge it.
struct Received {
    subject: String,
    body: Vec<u8>,
    /// The publisher's id, or the place in the stream: what names the dead letter.
    id: String,
    attempt: u64,
    sequence: u64,
}

/// What becomes of a message.
#[derive(Debug)]
enum Verdict {
    Done,
    Failed(Failure),
    /// The drain is over; somebody else does it.
    Interrupted,
}

impl<H: Handler> Worker<H> {
    pub(crate) fn new(handler: Arc<H>, options: WorkerOptions, consumer: String) -> Self {
        Self { handler, options, consumer }
    }

    /// Handles a message and acknowledges it one way or another.
    pub(crate) async fn deliver(self: Arc<Self>, message: Message, give_back: CancellationToken) {
        let in_flight = metrics::gauge!(IN_FLIGHT, "consumer" => self.consumer.clone());
        in_flight.increment(1);
        match Received::read(&message) {
            Ok(received) => {
                let (_, acker) = message.split();
                self.decide(received, &acker, &give_back).await;
            }
            Err(reason) => tracing::error!(reason, "a message came without a place in a stream"),
        }
        in_flight.decrement(1);
    }

    async fn decide(&self, received: Received, acker: &Acker, give_back: &CancellationToken) {
        let name = H::Job::NAME;
        let span = tracing::info_span!(
            "job",
            otel.name = format!("job.{name}"),
            id = received.id,
            attempt = received.attempt,
            request_id = tracing::field::Empty,
        );
        async {
            let verdict = match Envelope::from_slice(&received.body) {
                Ok(envelope) if received.attempt <= self.options.max_deliver => {
                    if let Some(request_id) = &envelope.request_id {
                        tracing::Span::current().record("request_id", request_id.as_str());
                    }
                    let Received { attempt, sequence, .. } = received;
                    self.handle(Delivery { envelope, attempt, sequence }, acker, give_back).await
                }
                // The deliveries before this one ended without a word: their worker was killed, perhaps by this job.
                Ok(_) => Verdict::Failed(Failure::Dead {
                    code: EXHAUSTED.to_owned(),
                    reason: "it was delivered too often without being acknowledged".to_owned(),
                }),
                Err(error) => {
                    Verdict::Failed(Failure::Dead { code: error.code().to_owned(), reason: error.to_string() })
                }
            };
            let outcome = self.settle(verdict, &received, acker).await;
            metrics::counter!(DELIVERIES, "channel" => self.options.name, "outcome" => outcome).increment(1);
        }
        .instrument(span)
        .await;
    }

    /// Runs the handler in a task of its own, so that a panic ends there, and reports progress meanwhile.
    async fn handle(&self, delivery: Delivery<H::Job>, acker: &Acker, give_back: &CancellationToken) -> Verdict {
        let handler = self.handler.clone();
        let limit = self.options.handle_timeout;
        let work = async move { timeout(limit, handler.handle(delivery)).await };
        let mut task = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
        let period = (self.options.ack_wait / 3).max(Duration::from_millis(1));
        let mut progress = interval_at(Instant::now() + period, period);
        progress.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                ended = &mut task => return match ended {
                    Ok(Ok(Ok(()))) => Verdict::Done,
                    Ok(Ok(Err(failure))) => Verdict::Failed(failure),
                    Ok(Err(_)) => Verdict::retry("the handler took too long"),
                    // What a panic says may hold a secret, and the panic hook has logged where it was.
                    Err(_) => Verdict::retry("the handler panicked"),
                },
                () = give_back.cancelled() => return Verdict::Interrupted,
                _ = progress.tick() => {
                    let sent = timeout(period, acker.ack_with(AckKind::Progress)).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        tracing::debug!("could not report progress");
                    }
                }
            }
        }
    }

    /// Tells the server, and returns the outcome for the metrics.
    async fn settle(&self, verdict: Verdict, received: &Received, acker: &Acker) -> &'static str {
        match verdict {
            Verdict::Done => {
                confirm(acker, AckKind::Ack).await;
                "delivered"
            }
            Verdict::Failed(Failure::Drop { reason }) => {
                tracing::info!(reason, "let go of a job");
                confirm(acker, AckKind::Ack).await;
                "dropped"
            }
            Verdict::Failed(Failure::Dead { code, reason }) => self.bury(code, reason, received, acker).await,
            Verdict::Failed(Failure::Retry { reason, .. }) if received.attempt >= self.options.max_deliver => {
                self.bury(EXHAUSTED.to_owned(), reason, received, acker).await
            }
            Verdict::Failed(Failure::Retry { reason, after }) => {
                let delay = self.options.backoff.asked_or_delay(after, received.attempt, received.sequence);
                tracing::warn!(reason, ?delay, "a job failed, trying again later");
                later(acker, Some(delay)).await
            }
            Verdict::Interrupted => later(acker, None).await,
        }
    }

    /// Writes a dead letter, and only then lets go of the message.
    async fn bury(&self, code: String, reason: String, received: &Received, acker: &Acker) -> &'static str {
        tracing::error!(code, reason, "gave a job up");
        let failed_at = (self.options.clock)();
        let subject = received.subject.clone();
        let letter = DeadLetter::new(code, reason, received.attempt, failed_at, subject, &received.body);
        match self.options.dead_letters.publish(&received.id, &letter).await {
            Ok(_) => {
                confirm(acker, AckKind::Term).await;
                "dead"
            }
            Err(error) => {
                tracing::error!(%error, "could not write a dead letter, keeping the job");
                later(acker, Some(self.backoff(received))).await
            }
        }
    }

    fn backoff(&self, received: &Received) -> Duration {
        self.options.backoff.delay(received.attempt, received.sequence)
    }
}

impl Verdict {
    fn retry(reason: &str) -> Self {
        Self::Failed(Failure::Retry { reason: reason.to_owned(), after: None })
    }
}

impl Received {
    fn read(message: &Message) -> Result<Self, String> {
        let info = message.info().map_err(|error| error.to_string())?;
        let named = message.headers.as_ref().and_then(|headers| headers.get(MESSAGE_ID)).map(ToString::to_string);
        Ok(Self {
            subject: message.subject.to_string(),
            body: message.payload.to_vec(),
            id: named.unwrap_or_else(|| format!("{}.{}", info.stream, info.stream_sequence)),
            attempt: u64::try_from(info.delivered).unwrap_or(1).max(1),
            sequence: info.stream_sequence,
        })
    }
}

/// Acknowledges for good, and waits until the server says that it knows. If it does not, the message comes again and
/// the handler recognises it by its id.
async fn confirm(acker: &Acker, kind: AckKind) {
    match timeout(ACK_TIMEOUT, acker.double_ack_with(kind)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "an acknowledgement was not confirmed"),
        Err(_) => tracing::warn!("an acknowledgement was not confirmed in time"),
    }
}

/// Asks for the message again. If this is lost, it comes again after `ack_wait`.
async fn later(acker: &Acker, delay: Option<Duration>) -> &'static str {
    if !matches!(timeout(ACK_TIMEOUT, acker.ack_with(AckKind::Nak(delay))).await, Ok(Ok(()))) {
        tracing::warn!("could not ask for a later delivery");
    }
    "retried"
}
