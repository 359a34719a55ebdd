//! Passwords: hashed, verified and judged on threads of their own, never where requests are served.
//!
//! Owns: three pools of threads, `password-hash` for what takes a quarter of a second, `password-judge` for what takes a
//! millisecond, and `password-meter` for the strength meter, which anybody may ask; and a queue before each, which serves
//! addresses in turn ([`crate::domain::fair_queue`]). Bound: as many as threads and queue hold, then whoever asked for most
//! is answered [`Error::Busy`]; what waited longer than `PATIENCE` is skipped. An address has so many judgements in a while,
//! and before any work for them. A panic ends one job; a thread that dies all the same ends the process. May touch: nothing.

mod actor;
mod error;
mod messages;
mod pulse;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use actix::{Addr, SyncArbiter};
use tokio_util::sync::CancellationToken;

use self::actor::PasswordsActor;
pub use self::error::Error;
use self::messages::{CheckPassword, HashPassword, Probe, RateStrength, VerifyPassword, due};
use self::pulse::Pulse;
use self::turns::Turns;
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::fair_queue::Requester;
use crate::domain::limit::Rate;
use crate::domain::password::{About, Policy, Scheme, Strength, Verdict};
use crate::domain::secret::Secret;
use crate::limits::AddressLimit;
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
    /// Passwords of one address to be judged, and as many to be rated.
    pub judged_per_address: Rate,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// A pool of threads, and the queue before it.
#[derive(Clone, Debug)]
struct Pool {
    turns: Turns,
    /// Never full: who has a turn has a place here, and who had one on the same thread may not have left yet.
    gate: Gate,
    threads: Addr<PasswordsActor>,
}

impl Pool {
    fn new(names: (&'static str, &'static str), threads: Addr<PasswordsActor>, size: usize, places: usize) -> Self {
        let (queue, gate) = names;
        Self { turns: Turns::new(queue, size, places), gate: Gate::new(gate, size * 2), threads }
    }
}

/// The door to passwords.
#[derive(Clone, Debug)]
pub struct Handle {
    hashing: Pool,
    judging: Pool,
    metering: Pool,
    judged: AddressLimit,
    rated: AddressLimit,
    probe_gate: Gate,
    pulse: Arc<Pulse>,
    scheme: Arc<Scheme>,
}

impl Handle {
    /// Starts the threads; `crashed` is cancelled if one dies. Must be called where an actix `System` runs.
    pub fn start(parts: Parts, crashed: &CancellationToken) -> Self {
        let Parts { scheme, policy, threads, queue, judged_per_address, entropy, clock } = parts;
        let (scheme, pulse) = (Arc::new(scheme), Arc::new(Pulse::default()));
        let start = |name: &'static str, threads, pulse: &Arc<Pulse>| {
            let (scheme, entropy) = (Arc::clone(&scheme), Arc::clone(&entropy));
            let (pulse, crashed) = (Arc::clone(pulse), crashed.clone());
            let actor = move || {
                PasswordsActor::new(Arc::clone(&scheme), policy, Arc::clone(&entropy), Arc::clone(&pulse), &crashed)
            };
            SyncArbiter::start_with_thread_builder(threads, move || thread::Builder::new().name(name.to_owned()), actor)
        };
        let hashing = start("password-hash", threads, &pulse);
        let judging = start("password-judge", 1, &Arc::default());
        let metering = start("password-meter", 1, &Arc::default());
        let limit = || AddressLimit::new(judged_per_address, Arc::clone(&clock));
        Self {
            hashing: Pool::new(("passwords", "password_hash"), hashing, threads, queue),
            judging: Pool::new(("password_judge", "password_judge_thread"), judging, 1, JUDGED_AT_ONCE),
            metering: Pool::new(("password_meter", "password_meter_thread"), metering, 1, JUDGED_AT_ONCE),
            judged: limit(),
            rated: limit(),
            probe_gate: Gate::new("password_probe", 1),
            pulse,
            scheme,
        }
    }

    /// There are stored hashes of costs up to `dearest`: a refusal is made to cost as much.
    pub fn stored_costs_go_to(&self, dearest: Option<u32>) {
        self.scheme.stored_costs_go_to(dearest);
    }

    /// Logs what a hash costs on this machine. The dictionaries are left to the first password that is judged: a node that
    /// judges none does without their memory.
    pub async fn warm_up(&self) {
        let start = Instant::now();
        match self.hash(Secret::from("a password of nobody"), Requester::address(&Client::nobody())).await {
            Ok(_) => tracing::info!(hash_ms = start.elapsed().as_millis(), "passwords can be hashed"),
            Err(error) => tracing::warn!(%error, "passwords cannot be hashed"),
        }
    }

    /// Hashes `password`, which was checked, for storing.
    pub async fn hash(&self, password: Secret, requester: Requester) -> Result<String, Error> {
        let deadline = due(PATIENCE);
        let Pool { turns, gate, threads } = &self.hashing;
        let turn = turns.wait(requester, deadline).await?;
        ask(gate, threads, HashPassword { password, deadline, turn }).await
    }

    /// Whether `password` belongs to the hash `stored`. `None` stands for an account that is not there, or has no password:
    /// it takes as long as any other refusal, and nothing matches.
    pub async fn verify(
        &self,
        password: Secret,
        stored: Option<String>,
        requester: Requester,
    ) -> Result<Verdict, Error> {
        let (stored, deadline) = (stored.map(Secret::from), due(PATIENCE));
        let Pool { turns, gate, threads } = &self.hashing;
        let turn = turns.wait(requester, deadline).await?;
        ask(gate, threads, VerifyPassword { password, stored, deadline, turn }).await
    }

    /// Holds `password`, given by `client`, against the policy.
    ///
    /// # Errors
    /// [`Error::Unacceptable`] with everything that is wrong, each fault blaming `field` of the request;
    /// [`Error::Limited`] where too many were judged for the address.
    pub async fn check(
        &self,
        field: &'static str,
        password: Secret,
        about: About,
        client: &Client,
    ) -> Result<(), Error> {
        self.judged.admit(client.ip).map_err(Error::Limited)?;
        let Pool { turns, gate, threads } = &self.judging;
        let deadline = due(PATIENCE);
        let turn = turns.wait(Requester::address(client), deadline).await?;
        let faults = ask(gate, threads, CheckPassword { password, about, deadline, turn }).await?;
        if faults.is_empty() { Ok(()) } else { Err(Error::Unacceptable { field, faults }) }
    }

    /// Rates `password`, given by `client`.
    pub async fn strength(&self, password: Secret, about: About, client: &Client) -> Result<Strength, Error> {
        self.rated.admit(client.ip).map_err(Error::Limited)?;
        let Pool { turns, gate, threads } = &self.metering;
        let deadline = due(PATIENCE);
        let turn = turns.wait(Requester::address(client), deadline).await?;
        ask(gate, threads, RateStrength { password, about, deadline, turn }).await
    }

    /// Whether the threads work. Threads that are merely busy do, as long as they finish jobs.
    pub async fn probe(&self) -> Result<(), Error> {
        if self.pulse.felt_within(PROBE) {
            return Ok(());
        }
        let probe = ask(&self.probe_gate, &self.hashing.threads, Probe { deadline: due(PATIENCE) });
        match tokio::time::timeout(PROBE, probe).await {
            Ok(Ok(())) => Ok(()),
            _ if self.pulse.felt_within(PATIENCE) => Ok(()),
            Ok(failed) => failed,
            Err(_) => Err(Error::Late),
        }
    }

    /// Finishes what was admitted and admits nothing more. The threads end when the last door to them is gone.
    pub async fn drain(&self, budget: Duration) {
        let closed =
            futures::future::join3(self.hashing.turns.close(), self.judging.turns.close(), self.metering.turns.close());
        if tokio::time::timeout(budget, closed).await.is_err() {
            tracing::warn!(actor = "passwords", "not drained in time");
        }
    }
}
