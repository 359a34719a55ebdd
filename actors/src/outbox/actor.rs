//! The shell around the relay: owns its loop.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, WrapFuture};

use super::{Relay, Stop};
use crate::supervision::{Lifeline, Loop, Supervisor};

/// How long ago the relay may have looked at the outbox without a failure.
const BOUND: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub(super) struct OutboxActor {
    relay: Arc<Relay>,
    supervisor: Supervisor,
    lifeline: Lifeline,
    work: Option<Loop>,
}

impl OutboxActor {
    pub(super) fn new(relay: Arc<Relay>, supervisor: Supervisor) -> Self {
        Self { relay, lifeline: Lifeline::new(&supervisor.crashed), supervisor, work: None }
    }
}

impl Actor for OutboxActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let relay = Arc::clone(&self.relay);
        let run = |stop, heartbeat| async move { relay.run(stop, heartbeat).await };
        self.work = Some(Loop::start("outbox", BOUND, &self.supervisor, run));
    }
}

impl Handler<Stop> for OutboxActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        let (relay, work) = (Arc::clone(&self.relay), self.work.take());
        let end = async move {
            if let Some(work) = work {
                work.end(Duration::from_secs(3)).await;
            }
            // What was committed while the loop ended.
            if let Err(error) = relay.step().await {
                tracing::info!(%error, "the rest of the outbox is left to the next relay");
            }
        };
        AtomicResponse::new(Box::pin(end.into_actor(self).map(|(), actor, ctx| {
            actor.lifeline.stand_down();
            ctx.stop();
        })))
    }
}
