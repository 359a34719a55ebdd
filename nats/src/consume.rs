//! Doing jobs from a stream, one loop per consumer.
//!
//! It owns the order of things: a permit first, then a message; progress reports while a handler works; then an
//! acknowledgement that the server confirms, a delayed retry, or a dead letter. Delivery is at least once: a handler
//! makes itself idempotent on the envelope's id.
//!
//! Bound: [`WorkerOptions::concurrency`] messages in memory, never more, because no message is asked for without a
//! permit. When NATS is away the loop waits and looks the consumer up again; when a handler fails, panics or hangs, its
//! message is tried again later, and given up as a dead letter after [`WorkerOptions::max_deliver`] deliveries. On
//! `stop` it asks for nothing more, waits [`WorkerOptions::drain_timeout`] for what it holds, and gives the rest back.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::Client;
use async_nats::connection::State;
use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use async_nats::jetstream::{AckKind, Context, Message};
use chrono::{DateTime, Utc};
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::backoff::Backoff;
use crate::consumers::{ACK_WAIT, DEFAULT_MAX_DELIVER};
use crate::dead_letter::DeadLetters;
use crate::delivery::Worker;
use crate::envelope::Envelope;
use crate::wire::Payload;

/// How long the server holds a pull request open when there is nothing to hand out.
const PULL_EXPIRES: Duration = Duration::from_secs(5);
/// How much later than that we stop waiting: the request was lost, because the server or the connection was.
const PULL_GRACE: Duration = Duration::from_secs(2);
/// How often to look whether the connection is still the same one.
const CONNECTION_CHECK: Duration = Duration::from_millis(500);
/// How long asking the server for a consumer or sending a request to it may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long giving back what is held may take after the drain.
const GIVE_BACK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait between attempts to reach the consumer.
const RECONNECT: Backoff = Backoff { base: Duration::from_millis(250), cap: Duration::from_secs(5) };

/// Tells the time; the crate reads no clock of its own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// Hears that a worker does its work.
pub type Alive = Arc<dyn Fn() + Send + Sync>;

/// Does one kind of job.
pub trait Handler: Send + Sync + 'static {
    /// The payload of the jobs.
    type Job: Payload;

    /// Does one job. It may run again for the same [`Envelope::id`], here or in another process: after a crash, a lost
    /// acknowledgement, or when the drain at shutdown cut it off.
    ///
    /// # Errors
    /// A [`Failure`] that says what shall become of the job.
    fn handle(&self, delivery: Delivery<Self::Job>) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// A job, and how it got here.
#[derive(Clone, Debug)]
pub struct Delivery<T> {
    /// The job.
    pub envelope: Envelope<T>,
    /// How often it was delivered, this time included: 1 is the first.
    pub attempt: u64,
    /// Its place in the stream.
    pub sequence: u64,
}

/// Why a job was not done. Reasons end up in dead letters and logs: no secrets, no phone numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It may work later.
    Retry {
        /// What went wrong.
        reason: String,
        /// How long to wait, if somebody said so; the back-off decides otherwise, and caps it in any case.
        after: Option<Duration>,
    },
    /// It will never work: keep it as a dead letter.
    Dead {
        /// A stable code in `snake_case`.
        code: String,
        /// What went wrong.
        reason: String,
    },
    /// It is no longer worth doing, such as an expired code: let go of it, and count it.
    Drop {
        /// Why.
        reason: String,
    },
}

/// How a worker works.
#[derive(Clone)]
pub struct WorkerOptions {
    /// What logs and metrics call it; a channel's name, for the notification workers.
    pub name: &'static str,
    /// How many jobs it does at a time.
    pub concurrency: usize,
    /// The `ack_wait` of its consumer; it reports progress three times as often.
    pub ack_wait: Duration,
    /// How often a job is delivered before it is given up.
    pub max_deliver: u64,
    /// How long to wait before a job is tried again.
    pub backoff: Backoff,
    /// How long one handler may take; one that takes longer is dropped and its job tried again. Without this bound a
    /// hung handler would report progress for ever.
    pub handle_timeout: Duration,
    /// How long to wait at shutdown for what is in hand.
    pub drain_timeout: Duration,
    /// Where jobs go that are given up.
    pub dead_letters: DeadLetters,
    /// Tells the time a job was given up.
    pub clock: Clock,
    /// Called whenever a request for messages was answered or a job came to its end: the worker does its work.
    pub alive: Alive,
}

impl WorkerOptions {
    /// Options that fit our consumers: 16 jobs at a time, 8 deliveries, two minutes a job, 20 s to drain.
    pub fn new(name: &'static str, dead_letters: DeadLetters, clock: Clock) -> Self {
        Self {
            name,
            concurrency: 16,
            ack_wait: ACK_WAIT,
            max_deliver: DEFAULT_MAX_DELIVER,
            backoff: Backoff::default(),
            handle_timeout: Duration::from_mins(2),
            drain_timeout: Duration::from_secs(20),
            dead_letters,
            clock,
            alive: Arc::new(|| {}),
        }
    }
}

impl fmt::Debug for WorkerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Does the jobs of a consumer until `stop`. Returns when everything in hand is done or given back.
pub async fn run<H: Handler>(
    js: Context,
    stream: String,
    consumer: String,
    handler: Arc<H>,
    options: WorkerOptions,
    stop: CancellationToken,
) {
    let looping = Loop {
        client: js.client(),
        permits: Arc::new(Semaphore::new(options.concurrency.max(1))),
        tasks: TaskTracker::new(),
        give_back: CancellationToken::new(),
        drain_timeout: options.drain_timeout,
        alive: Arc::clone(&options.alive),
        worker: Arc::new(Worker::new(handler, options, consumer.clone())),
        stop,
    };
    tracing::info!(%stream, %consumer, "worker started");
    let mut failures = 0;
    while !looping.stop.is_cancelled() {
        let reason = match looping.look_up(&js, &stream, &consumer).await {
            Ok(found) => match looping.pull_until_lost(&found, &mut failures).await {
                ControlFlow::Break(()) => break,
                ControlFlow::Continue(reason) => reason,
            },
            Err(reason) => reason,
        };
        failures += 1;
        if failures > 1 {
            tracing::warn!(%stream, %consumer, failures, reason, "cannot get messages, trying again");
        }
        let pause = tokio::time::sleep(RECONNECT.delay(failures, 0));
        let _ = looping.stop.run_until_cancelled(pause).await;
    }
    looping.drain().await;
    tracing::info!(%stream, %consumer, "worker stopped");
}

struct Loop<H> {
    client: Client,
    worker: Arc<Worker<H>>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    /// Fires when the drain is over: deliveries drop their handler and give the message back.
    give_back: CancellationToken,
    drain_timeout: Duration,
    alive: Alive,
    stop: CancellationToken,
}

/// What was known when a request for messages was sent.
struct Sent {
    deadline: Instant,
    connects: u64,
}

/// Why no message comes any more.
enum Ended {
    /// The consumer must be looked up again, for this reason.
    Lost(String),
    Stopped,
}

impl<H: Handler> Loop<H> {
    async fn look_up(&self, js: &Context, stream: &str, consumer: &str) -> Result<PullConsumer, String> {
        let asked = timeout(REQUEST_TIMEOUT, js.get_consumer_from_stream(consumer, stream));
        match self.stop.run_until_cancelled(asked).await {
            Some(Ok(found)) => found.map_err(|error| error.to_string()),
            Some(Err(_)) => Err("the server did not answer".to_owned()),
            None => Err("stopping".to_owned()),
        }
    }

    /// Pulls and starts deliveries. Breaks at `stop`, continues with a reason when the consumer must be looked up again.
    async fn pull_until_lost(&self, consumer: &PullConsumer, failures: &mut u64) -> ControlFlow<(), String> {
        loop {
            // The permit comes first: a message that waits here for a free hand would use up its `ack_wait`.
            let Some(mut permits) = self.stop.run_until_cancelled(self.free_permits()).await else {
                return ControlFlow::Break(());
            };
            let request = consumer.batch().max_messages(permits.len()).expires(PULL_EXPIRES).messages();
            let mut batch = match timeout(REQUEST_TIMEOUT, request).await {
                Ok(Ok(batch)) => batch,
                Ok(Err(error)) => return ControlFlow::Continue(error.to_string()),
                Err(_) => {
                    return ControlFlow::Continue("the request for messages was not sent".to_owned());
                }
            };
            let sent = Sent { deadline: Instant::now() + PULL_EXPIRES + PULL_GRACE, connects: self.connects() };
            loop {
                match self.next(&mut batch, &sent).await {
                    Ok(Some(message)) => self.start(message, permits.pop()),
                    Ok(None) => break,
                    Err(Ended::Lost(reason)) => return ControlFlow::Continue(reason),
                    Err(Ended::Stopped) => {
                        give_back(batch).await;
                        return ControlFlow::Break(());
                    }
                }
            }
            *failures = 0;
            (self.alive)();
        }
    }

    /// Waits for the next message of a request. Returns `None` when the request is answered in full, or has expired.
    ///
    /// A server that was restarted has forgotten the request, and does not say so. Idle heartbeats would tell, but with
    /// them the client library forgets to wake this task; so the count of connections is looked at now and then.
    async fn next(&self, batch: &mut Batch, sent: &Sent) -> Result<Option<Message>, Ended> {
        loop {
            match self.stop.run_until_cancelled(timeout(CONNECTION_CHECK, batch.next())).await {
                None => return Err(Ended::Stopped),
                Some(Ok(None)) => return Ok(None),
                Some(Ok(Some(Ok(message)))) => return Ok(Some(message)),
                Some(Ok(Some(Err(error)))) => return Err(Ended::Lost(error.to_string())),
                Some(Err(_)) if self.connects() != sent.connects => {
                    return Err(Ended::Lost("the connection was lost".to_owned()));
                }
                Some(Err(_)) if Instant::now() >= sent.deadline => {
                    return Err(Ended::Lost("a request for messages was not answered".to_owned()));
                }
                Some(Err(_)) => {}
            }
        }
    }

    fn start(&self, message: Message, permit: Option<OwnedSemaphorePermit>) {
        let delivery = self.worker.clone().deliver(message, self.give_back.clone());
        let alive = Arc::clone(&self.alive);
        self.tasks.spawn(async move {
            delivery.await;
            alive();
            drop(permit);
        });
    }

    fn connects(&self) -> u64 {
        self.client.statistics().connects.load(Ordering::Relaxed)
    }

    /// Waits for one permit and takes all that are free with it.
    async fn free_permits(&self) -> Vec<OwnedSemaphorePermit> {
        let mut permits: Vec<_> = self.permits.clone().acquire_owned().await.into_iter().collect();
        while let Ok(permit) = self.permits.clone().try_acquire_owned() {
            permits.push(permit);
        }
        permits
    }

    async fn drain(&self) {
        self.tasks.close();
        if timeout(self.drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!(left = self.tasks.len(), "the drain took too long, giving back what is in hand");
            self.give_back.cancel();
            if timeout(GIVE_BACK_TIMEOUT, self.tasks.wait()).await.is_err() {
                tracing::warn!(left = self.tasks.len(), "gave up on messages; the server delivers them again");
            }
        }
        // What was given back still lies in the client's buffer, and the process is about to end.
        if self.client.connection_state() == State::Connected {
            let _ = timeout(GIVE_BACK_TIMEOUT, self.client.flush()).await;
        }
    }
}

/// Gives back what was received but not started. What is still on its way comes again after `ack_wait`.
async fn give_back(mut batch: Batch) {
    while let Some(Some(Ok(message))) = batch.next().now_or_never() {
        let _ = timeout(GIVE_BACK_TIMEOUT, message.ack_with(AckKind::Nak(None))).await;
    }
}
