//! The shell around a consumer loop.

use std::sync::Arc;
use std::time::Duration;

use actix::{
    Actor, ActorContext, ActorFutureExt, Addr, ArbiterHandle, AtomicResponse, Context, Handler, Message, WrapFuture,
};
use async_nats::jetstream;
use civiclens_nats::consume::{self, WorkerOptions};

use crate::supervision::{Heartbeat, Lifeline, Loop, Supervisor};

/// How long ago a worker may have heard from NATS, or finished a job: longer than any job may take.
const BOUND: Duration = Duration::from_mins(2);

/// Stop fetching, finish what is held, stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Stop;

/// Starts the loop of a channel.
type Start = Box<dyn FnOnce(&Supervisor) -> Loop + Send>;

struct WorkerActor {
    start: Option<Start>,
    supervisor: Supervisor,
    lifeline: Lifeline,
    work: Option<Loop>,
}

impl Actor for WorkerActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        if let Some(start) = self.start.take() {
            self.work = Some(start(&self.supervisor));
        }
    }
}

impl Handler<Stop> for WorkerActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        let work = self.work.take();
        let end = async move {
            if let Some(work) = work {
                work.end(Duration::from_secs(15)).await;
            }
        };
        AtomicResponse::new(Box::pin(end.into_actor(self).map(|(), actor, ctx| {
            actor.lifeline.stand_down();
            ctx.stop();
        })))
    }
}

/// The door to one channel's worker.
#[derive(Clone)]
pub struct Handle {
    address: Addr<WorkerActor>,
    name: &'static str,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Handle({})", self.name)
    }
}

impl Handle {
    /// Starts a worker that takes jobs of `consumer` on `stream` and gives them to `handler`.
    pub fn start<H: consume::Handler>(
        context: jetstream::Context,
        (stream, consumer): (String, String),
        handler: Arc<H>,
        options: WorkerOptions,
        arbiter: &ArbiterHandle,
        supervisor: &Supervisor,
    ) -> Self {
        let name = options.name;
        let start: Start = Box::new(move |supervisor| {
            Loop::start(name, BOUND, supervisor, |stop, heartbeat: Heartbeat| {
                let options = WorkerOptions { alive: Arc::new(move || heartbeat.beat()), ..options };
                consume::run(context, stream, consumer, handler, options, stop)
            })
        });
        let supervisor = supervisor.clone();
        let address = WorkerActor::start_in_arbiter(arbiter, move |_| WorkerActor {
            start: Some(start),
            lifeline: Lifeline::new(&supervisor.crashed),
            supervisor,
            work: None,
        });
        Self { address, name }
    }

    /// Stops fetching, finishes what is held, and stops; at most `budget`.
    pub async fn drain(&self, budget: Duration) {
        if self.address.send(Stop).timeout(budget).await.is_err() {
            tracing::warn!(actor = self.name, "not drained in time");
        }
    }
}
