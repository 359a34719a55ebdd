//! NATS by itself: a subject prefix, and streams for it, without a service around them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use chrono::{DateTime, Utc};
use civiclens_actors::domain::clock::{Clock, SystemClock};
use civiclens_nats::backoff::Backoff;
use civiclens_nats::client::{self, ConnectOptions};
use civiclens_nats::consume::{self, Delivery, Failure, Handler, WorkerOptions};
use civiclens_nats::dead_letter::DeadLetters;
use civiclens_nats::envelope::Envelope;
use civiclens_nats::jobs::sms::SmsJobV1;
use civiclens_nats::publish::Publisher;
use civiclens_nats::reconcile::{Drift, Topology};
use civiclens_nats::subjects::{Channel, StreamKind, Subjects};
use civiclens_nats::wire::Described;
use civiclens_nats::{consumers, streams};
use futures::FutureExt;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::app::turn;
use super::events::read_all;
use super::{Event, TestApp, eventually, stack};

/// The patience of a client with its server.
const PATIENCE: Duration = Duration::from_secs(5);

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

/// A prefix of its own on the server of the run.
pub(crate) struct Ground {
    pub(crate) jetstream: jetstream::Context,
    pub(crate) subjects: Subjects,
}

impl Ground {
    async fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("n{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let options = ConnectOptions {
            url: stack::shared().nats,
            name: name.clone(),
            connect_timeout: PATIENCE,
            request_timeout: PATIENCE,
        };
        let client = client::connect(&options).await.unwrap();
        client.flush().await.unwrap();
        Self { jetstream: jetstream::new(client), subjects: Subjects::new(name).unwrap() }
    }

    /// Tells a story about the streams of a prefix, and removes them however it ends.
    pub(crate) async fn story(told: impl AsyncFnOnce(&Self)) {
        let (_turn, ground) = (turn().await, Self::new().await);
        let end = AssertUnwindSafe(told(&ground)).catch_unwind().await;
        for kind in StreamKind::ALL {
            let _ = ground.jetstream.delete_stream(ground.subjects.stream(kind)).await;
        }
        if let Err(panic) = end {
            std::panic::resume_unwind(panic);
        }
    }

    /// Brings the server in line, as every node does when it starts.
    pub(crate) async fn reconciles(&self) -> Vec<Drift> {
        let topology = Topology { subjects: self.subjects.clone(), replicas: 1 };
        topology.reconcile(&self.jetstream).await.unwrap()
    }

    pub(crate) async fn stream(&self, kind: StreamKind) -> stream::Config {
        let found = self.jetstream.get_stream(self.subjects.stream(kind)).await.unwrap();
        found.cached_info().config.clone()
    }
}

/// Does jobs as a test says.
struct Hand<F>(F);

impl<F, R> Handler for Hand<F>
where
    F: Fn(Delivery<SmsJobV1>) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), Failure>> + Send + 'static,
{
    type Job = SmsJobV1;

    fn handle(&self, delivery: Delivery<SmsJobV1>) -> impl Future<Output = Result<(), Failure>> + Send {
        (self.0)(delivery)
    }
}

/// A queue of SMS jobs with workers that a test makes up.
pub(crate) struct Workshop {
    ground: Ground,
    pub(crate) publisher: Publisher,
}

/// A worker at work, on a runtime of its own: what it does ends with it.
pub(crate) struct Working {
    stop: CancellationToken,
    task: JoinHandle<()>,
    runtime: Option<Runtime>,
}

impl Working {
    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stops(mut self) {
        self.stop.cancel();
        (&mut self.task).await.unwrap();
    }

    /// It dies where it stands.
    pub(crate) fn dies(self) {
        drop(self);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Workshop {
    /// Opens one whose jobs come again after `ack_wait` of silence. Its streams are small and in memory.
    pub(crate) async fn open(ack_wait: Duration) -> Self {
        let ground = Ground::new().await;
        for kind in [StreamKind::Notify, StreamKind::NotifyDead] {
            let defined = streams::definition(&ground.subjects, kind, 1);
            let small = stream::Config { storage: stream::StorageType::Memory, max_bytes: 1 << 20, ..defined };
            ground.jetstream.create_stream(small).await.unwrap();
        }
        let mut consumer = consumers::definition(&ground.subjects, Channel::Sms);
        consumer.ack_wait = ack_wait;
        let stream = ground.subjects.stream(StreamKind::Notify);
        ground.jetstream.create_consumer_on_stream(consumer, stream).await.unwrap();
        let publisher = Publisher::new(ground.jetstream.clone(), ground.subjects.clone(), PATIENCE);
        Self { ground, publisher }
    }

    /// How a worker works here: quick to try again.
    pub(crate) fn options(&self, ack_wait: Duration) -> WorkerOptions {
        let dead_letters = DeadLetters::new(self.publisher.clone(), Channel::Sms);
        WorkerOptions {
            ack_wait,
            max_deliver: 3,
            backoff: Backoff { base: Duration::from_millis(10), cap: Duration::from_millis(20) },
            drain_timeout: Duration::from_millis(200),
            ..WorkerOptions::new("sms", dead_letters, Arc::new(now))
        }
    }

    /// Puts a worker to work that does each job by `hand`.
    pub(crate) fn works<R>(
        &self,
        options: WorkerOptions,
        hand: impl Fn(Delivery<SmsJobV1>) -> R + Send + Sync + 'static,
    ) -> Working
    where
        R: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let (stream, consumer) = (self.ground.subjects.stream(StreamKind::Notify), "sms".to_owned());
        let jetstream = self.ground.jetstream.clone();
        let work = consume::run(jetstream, stream, consumer, Arc::new(Hand(hand)), options, stop.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Working { stop, task: runtime.spawn(work), runtime: Some(runtime) }
    }

    /// A job as the service writes it, and no two the same.
    pub(crate) fn job() -> Envelope<SmsJobV1> {
        static COUNT: AtomicUsize = AtomicUsize::new(1);
        let id = Uuid::from_u128(COUNT.fetch_add(1, Ordering::Relaxed) as u128);
        Envelope::new(id, now(), "sms", SmsJobV1 { expires_at: None, ..SmsJobV1::example() })
    }

    /// Queues a job, and answers its id.
    pub(crate) async fn gets_job(&self) -> Uuid {
        let job = Self::job();
        self.publisher.publish(self.ground.subjects.notify(Channel::Sms), &job).await.unwrap();
        job.id
    }

    /// Queues bytes that nobody looked at.
    pub(crate) async fn gets_bytes(&self, bytes: &[u8]) {
        let subject = self.ground.subjects.notify(Channel::Sms);
        self.ground.jetstream.publish(subject, bytes.to_vec().into()).await.unwrap().await.unwrap();
    }

    /// Takes a job as a worker does that is killed before it says anything.
    pub(crate) async fn is_taken_and_forgotten(&self) {
        use futures::StreamExt;
        let stream = self.ground.subjects.stream(StreamKind::Notify);
        let consumer: jetstream::consumer::PullConsumer =
            self.ground.jetstream.get_consumer_from_stream("sms", stream).await.unwrap();
        let mut batch = consumer.batch().max_messages(1).expires(PATIENCE).messages().await.unwrap();
        batch.next().await.unwrap().unwrap();
    }

    async fn left(&self) -> u64 {
        let name = self.ground.subjects.stream(StreamKind::Notify);
        let mut stream = self.ground.jetstream.get_stream(name).await.unwrap();
        stream.info().await.unwrap().state.messages
    }

    /// Waits until no job is left.
    pub(crate) async fn is_empty(&self) {
        eventually("no jobs", async || (self.left().await == 0).then_some(())).await;
    }

    /// What was given up, once there is at least `count`.
    pub(crate) async fn dead_letters(&self, count: usize) -> Vec<Event> {
        let name = self.ground.subjects.stream(StreamKind::NotifyDead);
        eventually("dead letters", async || {
            let all = read_all(&self.ground.jetstream, &name).await?;
            (all.len() >= count).then_some(all)
        })
        .await
    }
}

impl TestApp {
    /// Makes the server give an SMS job to another worker after `silence`, and not after half a minute.
    pub(crate) async fn jobs_come_again_after(&self, silence: Duration) {
        let mut consumer = consumers::definition(&self.subjects, Channel::Sms);
        consumer.ack_wait = silence;
        let stream = self.subjects.stream(StreamKind::Notify);
        self.jetstream.update_consumer_on_stream(consumer, stream).await.unwrap();
    }
}
