//! What every actor has in common: admission before its mailbox, a deadline on every question, and a lifeline that ends the
//! process when an actor dies without having been asked to.
//!
//! An actix mailbox does not bound what waits in it, and its supervisor does not restart after a panic (`docs/adr/0002`).
//! So the bound is a semaphore in the `Handle`, the work runs in futures whose panics end one message only, and the death
//! of an actor is a failure of the process, which an orchestrator restarts whole and clean.

mod loops;

use std::sync::Arc;
use std::time::Duration;

use actix::dev::{MessageResponse, ToEnvelope};
use actix::{Actor, Addr, Handler, MailboxError, Message};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::loops::{Heartbeat, Loop, LoopState, Loops, StepError, Supervisor};

/// How long a question may take, waiting included. Below every client's patience, above every dependency's timeout.
const PATIENCE: Duration = Duration::from_secs(12);

/// Why a question was not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// More is waiting than may wait.
    #[error("too much work is waiting")]
    Overloaded,
    /// The actor is gone: the process is stopping.
    #[error("the actor is gone")]
    Gone,
    /// The answer did not come in time.
    #[error("the answer did not come in time")]
    Late,
}

/// Admission to an actor: at most so many messages waiting or in work at once.
#[derive(Clone, Debug)]
pub struct Gate {
    name: &'static str,
    permits: Arc<Semaphore>,
    size: usize,
    occupancy: metrics::Gauge,
}

impl Gate {
    /// A gate that admits `size` at once.
    pub fn new(name: &'static str, size: usize) -> Self {
        let occupancy = metrics::gauge!("civiclens_mailbox_occupancy", "actor" => name);
        Self { name, permits: Arc::new(Semaphore::new(size)), size, occupancy }
    }

    /// Admits one, or refuses at once.
    pub fn admit(&self) -> Result<Permit, AskError> {
        let permit = Arc::clone(&self.permits).try_acquire_owned().map_err(|_| {
            metrics::counter!("civiclens_mailbox_refused_total", "actor" => self.name).increment(1);
            AskError::Overloaded
        })?;
        self.occupancy.increment(1.0);
        Ok(Permit { _permit: permit, occupancy: self.occupancy.clone() })
    }

    /// Waits until nothing is admitted any more, and admits nothing again.
    pub async fn close(&self) {
        let all = u32::try_from(self.size).unwrap_or(u32::MAX);
        if let Ok(permits) = self.permits.acquire_many(all).await {
            permits.forget();
        }
        self.permits.close();
    }
}

/// An admission. It travels in the message and ends with the work, not with the caller.
pub struct Permit {
    _permit: OwnedSemaphorePermit,
    occupancy: metrics::Gauge,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.occupancy.decrement(1.0);
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

/// A message with what every message carries: the caller's span, which a mailbox would lose, and its admission.
#[derive(Debug)]
pub struct Ask<M> {
    /// What is asked.
    pub message: M,
    /// The span of the caller.
    pub span: tracing::Span,
    /// The admission.
    pub permit: Permit,
}

impl<M: Message> Message for Ask<M> {
    type Result = M::Result;
}

/// Asks an actor: admission, then the question with a deadline.
pub async fn ask<A, M, T, E>(gate: &Gate, address: &Addr<A>, message: M) -> Result<T, E>
where
    A: Actor + Handler<Ask<M>>,
    A::Context: ToEnvelope<A, Ask<M>>,
    M: Message<Result = Result<T, E>> + Send + 'static,
    Result<T, E>: MessageResponse<A, Ask<M>> + Send,
    T: Send + 'static,
    E: From<AskError> + Send + 'static,
{
    let permit = gate.admit()?;
    let question = Ask { message, span: tracing::Span::current(), permit };
    match address.send(question).timeout(PATIENCE).await {
        Ok(answer) => answer,
        Err(MailboxError::Closed) => Err(AskError::Gone.into()),
        Err(MailboxError::Timeout) => Err(AskError::Late.into()),
    }
}

/// Ends the process when its owner is dropped without having been stood down.
#[derive(Debug)]
pub struct Lifeline(Option<DropGuard>);

impl Lifeline {
    /// A lifeline that cancels `crashed` when it breaks.
    pub fn new(crashed: &CancellationToken) -> Self {
        Self(Some(crashed.clone().drop_guard()))
    }

    /// The owner is stopping on purpose.
    pub fn stand_down(&mut self) {
        if let Some(guard) = self.0.take() {
            guard.disarm();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_admits_exactly_its_size_and_again_after_release() {
        let gate = Gate::new("test", 2);
        let first = gate.admit();
        let second = gate.admit();
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(gate.admit().err(), Some(AskError::Overloaded));
        drop(first);
        assert!(gate.admit().is_ok());
    }
}
