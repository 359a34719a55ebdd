//! The shell around the service: and the loop in which the breaker judges.

use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, WrapFuture};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::messages::{IssueOtp, Issued, JudgeFunnels, RequestOtp, Requested, SpentCode, Stop, VerifyOtp};
use super::{Error, Service};
use crate::supervision::{Ask, Lifeline};

/// How often the funnels are judged.
const JUDGE_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct OtpActor {
    service: Arc<Service>,
    lifeline: Lifeline,
}

impl OtpActor {
    pub(super) fn new(service: Arc<Service>, crashed: &CancellationToken) -> Self {
        Self { service, lifeline: Lifeline::new(crashed) }
    }
}

impl Actor for OtpActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify(JudgeFunnels);
    }
}

impl Handler<Ask<RequestOtp>> for OtpActor {
    type Result = ResponseFuture<Result<Requested, Error>>;

    fn handle(&mut self, ask: Ask<RequestOtp>, _: &mut Self::Context) -> Self::Result {
        let Ask { message, span, permit } = ask;
        let service = Arc::clone(&self.service);
        let work = async move {
            let _permit = permit;
            service.request(message).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<Ask<IssueOtp>> for OtpActor {
    type Result = ResponseFuture<Result<Issued, Error>>;

    fn handle(&mut self, ask: Ask<IssueOtp>, _: &mut Self::Context) -> Self::Result {
        let Ask { message: IssueOtp(request), span, permit } = ask;
        let service = Arc::clone(&self.service);
        let work = async move {
            let _permit = permit;
            service.issue(request).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<Ask<VerifyOtp>> for OtpActor {
    type Result = ResponseFuture<Result<SpentCode, Error>>;

    fn handle(&mut self, ask: Ask<VerifyOtp>, _: &mut Self::Context) -> Self::Result {
        let service = Arc::clone(&self.service);
        let Ask { message, span, permit } = ask;
        let work = async move {
            let _permit = permit;
            service.verify(message).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<JudgeFunnels> for OtpActor {
    type Result = ();

    fn handle(&mut self, _: JudgeFunnels, ctx: &mut Self::Context) {
        let service = Arc::clone(&self.service);
        let judged = async move { service.judge().await }.into_actor(self);
        ctx.spawn(judged.map(|(), _, ctx| {
            ctx.notify_later(JudgeFunnels, JUDGE_EVERY);
        }));
    }
}

impl Handler<Stop> for OtpActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.lifeline.stand_down();
        ctx.stop();
    }
}
