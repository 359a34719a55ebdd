//! Loops in the background, and the register that knows when each last did its work.
//!
//! A loop that waits for a peer that is gone looks like one that has nothing to do. So each says when it succeeded, and is
//! given a bound when it is started: one that has not succeeded for longer makes the process unready. Each step of a loop has
//! a deadline of its own, after which the loop goes on with the next.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Lifeline;

/// What loops are started under: who is told when one dies, and who knows how they do. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Supervisor {
    /// Cancelled when a part of the process died.
    pub crashed: CancellationToken,
    /// The loops of the process.
    pub loops: Loops,
}

/// The loops of a process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Loops(Arc<Mutex<Vec<Arc<Watched>>>>);

#[derive(Debug)]
struct Watched {
    name: &'static str,
    bound: Duration,
    /// When it last succeeded; at first, when it was started.
    last: Mutex<Instant>,
}

/// How a loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopState {
    /// Its name.
    pub name: &'static str,
    /// How long ago it last succeeded, or was started if it never did.
    pub age: Duration,
    /// How long ago that may be.
    pub bound: Duration,
}

impl LoopState {
    /// Whether it succeeded recently enough.
    pub fn is_well(&self) -> bool {
        self.age <= self.bound
    }
}

impl Loops {
    /// Adds a loop that must succeed every `bound`.
    fn watch(&self, name: &'static str, bound: Duration) -> Heartbeat {
        let watched = Arc::new(Watched { name, bound, last: Mutex::new(Instant::now()) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&watched));
        Heartbeat(watched)
    }

    /// How each loop does, in the order in which they were started.
    pub fn states(&self) -> Vec<LoopState> {
        let watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = |one: &Arc<Watched>| {
            let age = one.last.lock().unwrap_or_else(PoisonError::into_inner).elapsed();
            LoopState { name: one.name, age, bound: one.bound }
        };
        watched.iter().map(state).collect()
    }
}

/// With which a loop says that it does its work. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Heartbeat(Arc<Watched>);

/// Why a step of a loop failed.
#[derive(Debug)]
pub enum StepError<E> {
    /// It was given up at its deadline.
    Late(Duration),
    /// It failed by itself.
    Failed(E),
}

impl<E: fmt::Display> fmt::Display for StepError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late(limit) => write!(f, "given up after {limit:?}"),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl Heartbeat {
    /// Says that the loop succeeded at this moment.
    pub fn beat(&self) {
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Runs one step of the loop, for at most `limit`, and notes its success.
    pub async fn step<T, E>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StepError<E>> {
        match tokio::time::timeout(limit, step).await {
            Ok(Ok(done)) => {
                self.beat();
                Ok(done)
            }
            Ok(Err(error)) => Err(StepError::Failed(error)),
            Err(_) => {
                metrics::counter!("civiclens_loop_steps_late_total", "loop" => self.0.name).increment(1);
                tracing::warn!(name = self.0.name, ?limit, "a step of a loop took too long and was given up");
                Err(StepError::Late(limit))
            }
        }
    }
}

/// A loop in the background: stopped by a token, awaited at the end, and a reason to end the process if it panics or ends by
/// itself.
#[derive(Debug)]
pub struct Loop {
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    name: &'static str,
}

impl Loop {
    /// Starts `body` on the current runtime. It must succeed every `bound`, saying so with the heartbeat it is given, and end
    /// soon after its token is cancelled.
    pub fn start<F>(
        name: &'static str,
        bound: Duration,
        supervisor: &Supervisor,
        body: impl FnOnce(CancellationToken, Heartbeat) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = CancellationToken::new();
        let mut lifeline = Lifeline::new(&supervisor.crashed);
        let work = body(stop.clone(), supervisor.loops.watch(name, bound));
        let stopping = stop.clone();
        let task = tokio::spawn(async move {
            work.await;
            // One that ended although nobody asked it to is dead like one that panicked.
            if stopping.is_cancelled() {
                lifeline.stand_down();
            }
        });
        Self { stop, task, name }
    }

    /// Asks the loop to end and waits for it, at most `budget`.
    pub async fn end(self, budget: Duration) {
        self.stop.cancel();
        if tokio::time::timeout(budget, self.task).await.is_err() {
            tracing::warn!(name = self.name, "the loop did not end in time and was abandoned");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_mins(1);

    #[actix::test]
    async fn a_panicking_loop_breaks_the_lifeline() {
        let supervisor = Supervisor::default();
        let task =
            Loop::start("test", BOUND, &supervisor, |_, _| async { std::panic::resume_unwind(Box::new("test")) });
        supervisor.crashed.cancelled().await;
        task.end(Duration::from_secs(1)).await;
    }

    #[actix::test]
    async fn a_loop_that_ends_by_itself_breaks_the_lifeline() {
        let supervisor = Supervisor::default();
        let task = Loop::start("test", BOUND, &supervisor, |_, _| async {});
        supervisor.crashed.cancelled().await;
        task.end(Duration::from_secs(1)).await;
    }

    #[actix::test]
    async fn a_loop_that_is_asked_to_end_is_no_crash() {
        let supervisor = Supervisor::default();
        let task = Loop::start("test", BOUND, &supervisor, |stop, _| async move { stop.cancelled().await });
        task.end(Duration::from_secs(1)).await;
        assert!(!supervisor.crashed.is_cancelled());
    }

    #[actix::test]
    async fn a_step_that_hangs_is_given_up_and_only_success_is_a_heartbeat() {
        let supervisor = Supervisor::default();
        let heartbeat = supervisor.loops.watch("test", Duration::ZERO);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(9)).expect("the machine runs for longer");
        *heartbeat.0.last.lock().expect("not poisoned") = long_ago;
        let hangs = heartbeat.step(Duration::from_millis(1), std::future::pending::<Result<(), ()>>()).await;
        assert!(matches!(hangs, Err(StepError::Late(_))));
        assert!(matches!(heartbeat.step(BOUND, async { Err::<(), _>(()) }).await, Err(StepError::Failed(()))));
        let ages = || supervisor.loops.states().iter().map(|state| state.age).max().unwrap_or_default();
        assert!(ages() >= Duration::from_secs(9) && !supervisor.loops.states()[0].is_well());
        heartbeat.step(BOUND, async { Ok::<_, ()>(()) }).await.expect("it succeeds");
        assert!(ages() < Duration::from_secs(9));
    }
}
