//! Passwords: hashed, verified and judged on threads of their own, never where requests are served.
//!
//! Owns: two pools of threads, `password-hash` for what takes a quarter of a second and `password-judge` for what takes
//! a millisecond, so that a strength meter cannot hold up logins. Bound: as many hashes as threads and queue hold, then
//! [`Error::Busy`]; a hash that waited longer than `PATIENCE` is skipped. A panic ends one job; a thread that dies all the
//! same ends the process. May touch: nothing.

mod actor;
mod error;
mod messages;
mod pulse;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix::{Addr, SyncArbiter};
use tokio_util::sync::CancellationToken;

use self::actor::PasswordsActor;
pub use self::error::Error;
pub use self::messages::{CheckPassword, HashPassword, RateStrength, VerifyPassword};
use self::messages::{Probe, due};
use self::pulse::Pulse;
use crate::domain::entropy::Entropy;
use crate::domain::password::{About, Policy, Scheme, Strength, Verdict};
use crate::domain::secret::Secret;
use crate::supervision::{Gate, ask};

/// How long a job may wait for a thread.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many passwords may wait to be judged.
const JUDGED_AT_ONCE: usize = 64;
/// How long a probe may take where nothing else keeps the threads busy.
const PROBE: Duration = Duration::from_secs(1);

/// What the pools work with.
#[derive(Debug)]
pub struct Parts {
    /// How passwords are hashed.
    pub scheme: Scheme,
    /// What they must be.
    pub policy: Policy,
    /// Threads that hash.
    pub threads: usize,
    /// Hashes that may wait for one.
    pub queue: usize,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The door to passwords.
#[derive(Clone, Debug)]
pub struct Handle {
    hashing: Addr<PasswordsActor>,
    judging: Addr<PasswordsActor>,
    hash_gate: Gate,
    judge_gate: Gate,
    probe_gate: Gate,
    pulse: Arc<Pulse>,
}

impl Handle {
    /// Starts the threads; `crashed` is cancelled if one dies. Must be called where an actix `System` runs.
    pub fn start(parts: Parts, crashed: &CancellationToken) -> Self {
        let Parts { scheme, policy, threads, queue, entropy } = parts;
        let (scheme, pulse) = (Arc::new(scheme), Arc::new(Pulse::default()));
        let pool = |name: &'static str, threads, pulse: &Arc<Pulse>| {
            let (scheme, entropy) = (Arc::clone(&scheme), Arc::clone(&entropy));
            let (pulse, crashed) = (Arc::clone(pulse), crashed.clone());
            let actor = move || {
                PasswordsActor::new(Arc::clone(&scheme), policy, Arc::clone(&entropy), Arc::clone(&pulse), &crashed)
            };
            SyncArbiter::start_with_thread_builder(threads, move || thread::Builder::new().name(name.to_owned()), actor)
        };
        Self {
            hashing: pool("password-hash", threads, &pulse),
            judging: pool("password-judge", 1, &Arc::default()),
            hash_gate: Gate::new("passwords", threads + queue),
            judge_gate: Gate::new("password_judge", JUDGED_AT_ONCE),
            probe_gate: Gate::new("password_probe", 1),
            pulse,
        }
    }

    /// Logs what a hash costs on this machine. The dictionaries are left to the first password that is judged: a node that
    /// judges none does without their memory.
    pub async fn warm_up(&self) {
        let start = Instant::now();
        match self.hash(Secret::from("a password of nobody")).await {
            Ok(_) => tracing::info!(hash_ms = start.elapsed().as_millis(), "passwords can be hashed"),
            Err(error) => tracing::warn!(%error, "passwords cannot be hashed"),
        }
    }

    /// Hashes `password`, which was checked, for storing.
    pub async fn hash(&self, password: Secret) -> Result<String, Error> {
        ask(&self.hash_gate, &self.hashing, HashPassword { password, deadline: due(PATIENCE) }).await
    }

    /// Whether `password` belongs to the hash `stored`. `None` stands for an account that is not there, or has no password:
    /// it takes as long as any other refusal, and nothing matches.
    pub async fn verify(&self, password: Secret, stored: Option<String>) -> Result<Verdict, Error> {
        let stored = stored.map(Secret::from);
        ask(&self.hash_gate, &self.hashing, VerifyPassword { password, stored, deadline: due(PATIENCE) }).await
    }

    /// Holds `password` against the policy.
    ///
    /// # Errors
    /// [`Error::Unacceptable`] with everything that is wrong, each fault blaming `field` of the request.
    pub async fn check(&self, field: &'static str, password: Secret, about: About) -> Result<(), Error> {
        let message = CheckPassword { password, about, deadline: due(PATIENCE) };
        let faults = ask(&self.judge_gate, &self.judging, message).await?;
        if faults.is_empty() { Ok(()) } else { Err(Error::Unacceptable { field, faults }) }
    }

    /// Rates `password`.
    pub async fn strength(&self, password: Secret, about: About) -> Result<Strength, Error> {
        ask(&self.judge_gate, &self.judging, RateStrength { password, about, deadline: due(PATIENCE) }).await
    }

    /// Whether the threads work. Threads that are merely busy do, as long as they finish jobs.
    pub async fn probe(&self) -> Result<(), Error> {
        if self.pulse.felt_within(PROBE) {
            return Ok(());
        }
        let probe = ask(&self.probe_gate, &self.hashing, Probe { deadline: due(PATIENCE) });
        match tokio::time::timeout(PROBE, probe).await {
            Ok(Ok(())) => Ok(()),
            _ if self.pulse.felt_within(PATIENCE) => Ok(()),
            Ok(failed) => failed,
            Err(_) => Err(Error::Late),
        }
    }

    /// Finishes what was admitted and admits nothing more. The threads end when the last door to them is gone.
    pub async fn drain(&self, budget: Duration) {
        let closed = futures::future::join(self.hash_gate.close(), self.judge_gate.close());
        if tokio::time::timeout(budget, closed).await.is_err() {
            tracing::warn!(actor = "passwords", "not drained in time");
        }
    }
}
