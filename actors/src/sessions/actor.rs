//! The shell around the service: owns the loops that keep the revocation view and the signing keys, the one that tells other
//! nodes of ends, and the one that writes uses in batches.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AtomicResponse, Context, Handler, ResponseFuture, WrapFuture};
use futures::future::join_all;
use tracing::Instrument;

use super::messages::{OpenSession, Opened, RefreshSession, RevokeSessions, SignIn, Stop};
use super::{Error, Service};
use crate::supervision::{Ask, Lifeline, Loop, Supervisor};

/// How long ago each loop may have succeeded.
mod bound {
    use std::time::Duration;

    /// Read every two seconds: a node that sees no revocation for longer than this must not go on in silence.
    pub(super) const REVOCATIONS: Duration = Duration::from_secs(15);
    /// Looked at every few seconds. NATS may be away for a while without harm.
    pub(super) const BROADCASTS: Duration = Duration::from_mins(1);
    /// Read every ten seconds; a key that others make signs half a minute later.
    pub(super) const SIGNING_KEYS: Duration = Duration::from_mins(1);
    /// Done every few seconds, and long only if much is to be cleaned up.
    pub(super) const UPKEEP: Duration = Duration::from_mins(3);
}

#[derive(Debug)]
pub(super) struct SessionsActor {
    service: Arc<Service>,
    supervisor: Supervisor,
    lifeline: Lifeline,
    loops: Vec<Loop>,
}

impl SessionsActor {
    pub(super) fn new(service: Arc<Service>, supervisor: Supervisor) -> Self {
        Self { service, lifeline: Lifeline::new(&supervisor.crashed), supervisor, loops: Vec::new() }
    }
}

impl Actor for SessionsActor {
    type Context = Context<Self>;

    fn started(&mut self, _: &mut Self::Context) {
        let service = || Arc::clone(&self.service);
        let (reader, hearer, teller, keeper) = (service(), service(), service(), service());
        let keys = Arc::clone(self.service.keys());
        let supervisor = &self.supervisor;
        self.loops = vec![
            Loop::start("revocations", bound::REVOCATIONS, supervisor, |stop, heartbeat| async move {
                reader.reread_revocations(stop, heartbeat).await;
            }),
            Loop::start("broadcasts", bound::BROADCASTS, supervisor, |stop, heartbeat| async move {
                hearer.hear_revocations(stop, heartbeat).await;
            }),
            Loop::start("tellings", bound::BROADCASTS, supervisor, |stop, heartbeat| async move {
                teller.send_broadcasts(stop, heartbeat).await;
            }),
            Loop::start("signing_keys", bound::SIGNING_KEYS, supervisor, |stop, heartbeat| async move {
                keys.follow(stop, heartbeat).await;
            }),
            Loop::start("sessions", bound::UPKEEP, supervisor, |stop, heartbeat| async move {
                keeper.look_after_sessions(stop, heartbeat).await;
            }),
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
