//! The shell around the service: owns the loops that keep the revocation view and the signing keys.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, ResponseFuture, WrapFuture};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::messages::{OpenSession, RevokeSession, SignIn, Stop};
use super::{Error, Service};
use crate::supervision::{Ask, Lifeline, Loop};

#[derive(Debug)]
pub(super) struct SessionsActor {
    service: Arc<Service>,
    crashed: CancellationToken,
    lifeline: Lifeline,
    follower: Option<Loop>,
    keys: Option<Loop>,
}

impl SessionsActor {
    pub(super) fn new(service: Arc<Service>, crashed: CancellationToken) -> Self {
        Self { service, lifeline: Lifeline::new(&crashed), crashed, follower: None, keys: None }
    }
}

impl Actor for SessionsActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let service = Arc::clone(&self.service);
        self.follower = Some(Loop::start("revocations", &self.crashed, |stop| async move {
            service.follow_revocations(stop).await;
        }));
        let keys = Arc::clone(self.service.keys());
        self.keys = Some(Loop::start("signing_keys", &self.crashed, |stop| async move { keys.follow(stop).await }));
    }
}

impl Handler<Ask<OpenSession>> for SessionsActor {
    type Result = ResponseFuture<Result<SignIn, Error>>;

    fn handle(&mut self, ask: Ask<OpenSession>, _: &mut Self::Context) -> Self::Result {
        let service = Arc::clone(&self.service);
        let Ask { message, span, permit } = ask;
        let work = async move {
            let _permit = permit;
            service.open(message).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<Ask<RevokeSession>> for SessionsActor {
    type Result = ResponseFuture<Result<(), Error>>;

    fn handle(&mut self, ask: Ask<RevokeSession>, _: &mut Self::Context) -> Self::Result {
        let service = Arc::clone(&self.service);
        let Ask { message, span, permit } = ask;
        let work = async move {
            let _permit = permit;
            service.revoke(message).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<Stop> for SessionsActor {
    type Result = AtomicResponse<Self, ()>;

    fn handle(&mut self, _: Stop, _: &mut Self::Context) -> Self::Result {
        let loops = [self.follower.take(), self.keys.take()];
        let end = async move {
            for follower in loops.into_iter().flatten() {
                follower.end(Duration::from_secs(2)).await;
            }
        };
        AtomicResponse::new(Box::pin(end.into_actor(self).map(|(), actor, ctx| {
            actor.lifeline.stand_down();
            ctx.stop();
        })))
    }
}
