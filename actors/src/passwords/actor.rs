//! The shell around the rules of passwords: one of these lives on each thread of a pool.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use actix::{Actor, Handler, SyncContext};
use tokio_util::sync::CancellationToken;

use super::Error;
use super::messages::{CheckPassword, HashPassword, Probe, RateStrength, VerifyPassword};
use super::pulse::Pulse;
use crate::domain::entropy::Entropy;
use crate::domain::password::{self, Fault, Policy, Scheme, Strength, Verdict};
use crate::domain::secret::Secret;
use crate::supervision::{Ask, Lifeline};

#[derive(Debug)]
pub(super) struct PasswordsActor {
    scheme: Arc<Scheme>,
    policy: Policy,
    entropy: Arc<dyn Entropy>,
    pulse: Arc<Pulse>,
    lifeline: Lifeline,
}

impl PasswordsActor {
    pub(super) fn new(
        scheme: Arc<Scheme>,
        policy: Policy,
        entropy: Arc<dyn Entropy>,
        pulse: Arc<Pulse>,
        crashed: &CancellationToken,
    ) -> Self {
        Self { scheme, policy, entropy, pulse, lifeline: Lifeline::new(crashed) }
    }

    /// Does one job in the caller's span, unless its time is up. A panic is the job's failure: it would else end the thread,
    /// which nobody replaces.
    pub(super) fn work<M, T>(
        &self,
        ask: Ask<M>,
        deadline: Instant,
        job: impl FnOnce(M) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Ask { message, span, permit: _permit } = ask;
        let _entered = span.enter();
        if Instant::now() >= deadline {
            return Err(Error::Late);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| job(message))).unwrap_or(Err(Error::Panicked));
        self.pulse.beat();
        outcome
    }
}

impl Actor for PasswordsActor {
    type Context = SyncContext<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        self.lifeline.stand_down();
    }
}

impl Handler<Ask<HashPassword>> for PasswordsActor {
    type Result = Result<String, Error>;

    fn handle(&mut self, ask: Ask<HashPassword>, _: &mut Self::Context) -> Self::Result {
        let deadline = ask.message.deadline;
        self.work(ask, deadline, |HashPassword { password, turn: _turn, .. }| {
            Ok(self.scheme.hash(&password, &*self.entropy)?)
        })
    }
}

impl Handler<Ask<VerifyPassword>> for PasswordsActor {
    type Result = Result<Verdict, Error>;

    fn handle(&mut self, ask: Ask<VerifyPassword>, _: &mut Self::Context) -> Self::Result {
        let deadline = ask.message.deadline;
        self.work(ask, deadline, |VerifyPassword { password, stored, turn: _turn, .. }| {
            Ok(self.scheme.verify(&password, stored.as_ref().map(Secret::expose)))
        })
    }
}

impl Handler<Ask<CheckPassword>> for PasswordsActor {
    type Result = Result<Vec<Fault>, Error>;

    fn handle(&mut self, ask: Ask<CheckPassword>, _: &mut Self::Context) -> Self::Result {
        let deadline = ask.message.deadline;
        self.work(ask, deadline, |CheckPassword { password, about, turn: _turn, .. }| {
            Ok(password::check(self.policy, &password, &about).err().unwrap_or_default())
        })
    }
}

impl Handler<Ask<RateStrength>> for PasswordsActor {
    type Result = Result<Strength, Error>;

    fn handle(&mut self, ask: Ask<RateStrength>, _: &mut Self::Context) -> Self::Result {
        let deadline = ask.message.deadline;
        self.work(ask, deadline, |RateStrength { password, about, turn: _turn, .. }| {
            Ok(password::strength(self.policy, &password, &about))
        })
    }
}

impl Handler<Ask<Probe>> for PasswordsActor {
    type Result = Result<(), Error>;

    fn handle(&mut self, ask: Ask<Probe>, _: &mut Self::Context) -> Self::Result {
        let deadline = ask.message.deadline;
        self.work(ask, deadline, |_| {
            self.scheme.at_least_cost().hash(&Secret::from("probe"), &*self.entropy)?;
            Ok(())
        })
    }
}
