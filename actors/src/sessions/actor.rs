//! The shell around the service: owns the loops that keep the revocation view and the signing keys, the one that tells other
//! nodes of ends, and the one that writes uses in batches.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, ResponseFuture, WrapFuture};
use futures::future::join_all;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::messages::{OpenSession, Opened, RefreshSession, RevokeSessions, SignIn, Stop};
use super::{Error, Service};
use crate::supervision::{Ask, Lifeline, Loop};

#[derive(Debug)]
pub(super) struct SessionsActor {
    service: Arc<Service>,
    crashed: CancellationToken,
    lifeline: Lifeline,
    loops: Vec<Loop>,
}

impl SessionsActor {
    pub(super) fn new(service: Arc<Service>, crashed: CancellationToken) -> Self {
        Self { service, lifeline: Lifeline::new(&crashed), crashed, loops: Vec::new() }
    }
}

impl Actor for SessionsActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let service = || Arc::clone(&self.service);
        let (reader, hearer, teller, keeper) = (service(), service(), service(), service());
        let keys = Arc::clone(self.service.keys());
        self.loops = vec![
            Loop::start("revocations", &self.crashed, |stop| async move { reader.reread_revocations(stop).await }),
            Loop::start("broadcasts", &self.crashed, |stop| async move { hearer.hear_revocations(stop).await }),
            Loop::start("tellings", &self.crashed, |stop| async move { teller.send_broadcasts(stop).await }),
            Loop::start("signing_keys", &self.crashed, |stop| async move { keys.follow(stop).await }),
            Loop::start("sessions", &self.crashed, |stop| async move { keeper.look_after_sessions(stop).await }),
        ];
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

impl Handler<Ask<RefreshSession>> for SessionsActor {
    type Result = ResponseFuture<Result<Opened, Error>>;

    fn handle(&mut self, ask: Ask<RefreshSession>, _: &mut Self::Context) -> Self::Result {
        let service = Arc::clone(&self.service);
        let Ask { message, span, permit } = ask;
        let work = async move {
            let _permit = permit;
            service.refresh(message).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<Ask<RevokeSessions>> for SessionsActor {
    type Result = ResponseFuture<Result<usize, Error>>;

    fn handle(&mut self, ask: Ask<RevokeSessions>, _: &mut Self::Context) -> Self::Result {
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
        let loops = std::mem::take(&mut self.loops);
        let end = join_all(loops.into_iter().map(|work| work.end(Duration::from_secs(2))));
        AtomicResponse::new(Box::pin(end.into_actor(self).map(|_, actor, ctx| {
            actor.lifeline.stand_down();
            ctx.stop();
        })))
    }
}
