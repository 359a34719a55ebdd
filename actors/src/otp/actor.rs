//! The shell around the service: owns the breaker's state and the loop that judges it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use actix::{Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, ResponseFuture, WrapFuture};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::messages::{IssueOtp, Issued, JudgeFunnels, RequestOtp, Requested, SpentCode, Stop, VerifyOtp};
use super::{Error, Service};
use crate::domain::breaker::EVERYWHERE;
use crate::supervision::{Ask, Lifeline};

/// How often the funnels are judged.
const JUDGE_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct OtpActor {
    service: Arc<Service>,
    paused: HashSet<String>,
    lifeline: Lifeline,
}

impl OtpActor {
    pub(super) fn new(service: Arc<Service>, crashed: &CancellationToken) -> Self {
        Self { service, paused: HashSet::new(), lifeline: Lifeline::new(crashed) }
    }
}

impl Actor for OtpActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.notify(JudgeFunnels);
    }
}

impl OtpActor {
    /// Refuses where too few codes are being entered. What no stranger can have sent is not held up by it.
    fn check_breaker(&self, request: &RequestOtp) -> Result<(), Error> {
        let paused = self.paused.contains(EVERYWHERE) || self.paused.contains(request.phone.prefix());
        if !paused || !request.purpose.is_open_to_strangers() {
            return Ok(());
        }
        metrics::counter!("civiclens_otp_paused_total").increment(1);
        Err(Error::Paused(JUDGE_EVERY))
    }
}

impl Handler<Ask<RequestOtp>> for OtpActor {
    type Result = ResponseFuture<Result<Requested, Error>>;

    fn handle(&mut self, ask: Ask<RequestOtp>, _: &mut Self::Context) -> Self::Result {
        let Ask { message, span, permit } = ask;
        let (admitted, service) = (self.check_breaker(&message), Arc::clone(&self.service));
        let work = async move {
            let _permit = permit;
            admitted?;
            service.request(message).await
        };
        Box::pin(work.instrument(span))
    }
}

impl Handler<Ask<IssueOtp>> for OtpActor {
    type Result = ResponseFuture<Result<Issued, Error>>;

    fn handle(&mut self, ask: Ask<IssueOtp>, _: &mut Self::Context) -> Self::Result {
        let Ask { message: IssueOtp(request), span, permit } = ask;
        let (admitted, service) = (self.check_breaker(&request), Arc::clone(&self.service));
        let work = async move {
            let _permit = permit;
            admitted?;
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
        let judged = async move { service.blocks_to_pause().await }.into_actor(self).map(|judged, actor, ctx| {
            match judged {
                Ok(paused) => {
                    for block in paused.difference(&actor.paused) {
                        tracing::warn!(block, "sending codes is paused: too few are being entered");
                    }
                    actor.paused = paused;
                }
                // Without Redis nothing is sent anyway; the last judgement stands.
                Err(error) => tracing::debug!(%error, "the funnels could not be read"),
            }
            ctx.notify_later(JudgeFunnels, JUDGE_EVERY);
        });
        ctx.spawn(judged);
    }
}

impl Handler<Stop> for OtpActor {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        self.lifeline.stand_down();
        ctx.stop();
    }
}
