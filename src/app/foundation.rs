//! What every part stands on: connections, keys, clock, and the threads of the actors.

use std::sync::Arc;
use std::time::Duration;

use actix::Arbiter;
use anyhow::Context;
use civiclens_actors::domain::breaker::Rules;
use civiclens_actors::domain::clock::{Clock, SystemClock};
use civiclens_actors::domain::entropy::{DrawnAhead, Entropy, SystemEntropy};
use civiclens_actors::domain::keys::{HashKey, Sealer};
use civiclens_actors::domain::password::Scheme;
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::notifications::inbox::Inbox;
use civiclens_actors::short_memory::{self, Eviction, ShortMemory};
use civiclens_actors::store::{self, Db, Losses};
use civiclens_actors::supervision::{Loop, Supervisor};
use civiclens_actors::{otp, passwords};
use civiclens_nats::client::{self, ConnectOptions};
use civiclens_nats::publish::Publisher;
use civiclens_nats::reconcile::Topology;
use civiclens_nats::subjects::Subjects;
use tokio_util::sync::CancellationToken;

use super::admin::{hashing, password_policy};
use super::keys;
use super::loops::{Measured, keep_gauges, keep_topology};
use crate::config::Settings;

/// How long a connection attempt may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long Redis may take to answer, and JetStream to acknowledge.
const ANSWER: Duration = Duration::from_secs(2);
/// How long a request waits for a database connection.
const ACQUIRE: Duration = Duration::from_millis(1_800);
/// How long a statement of a request may take. Together with the wait for a connection this is below the 5 s after which a
/// database that hangs must have been answered for, and far below the patience of whoever asks an actor.
const STATEMENT: Duration = Duration::from_secs(3);
/// How long a statement of a loop may take, such as a clean-up.
const LONG_STATEMENT: Duration = Duration::from_secs(10);
/// How long [`Foundation::close`] may take: loops, the last messages, pools.
#[cfg(test)]
pub(super) const CLOSE: Duration = CONNECT.saturating_add(ANSWER).saturating_add(ACQUIRE);
/// The connections of background work, which HTTP cannot starve: relay, listener, housekeeping, languages.
const BACKGROUND_CONNECTIONS: u32 = 4;

/// The foundation. One of each for the process.
pub(super) struct Foundation {
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    /// For identifiers.
    pub(super) ids: Arc<dyn Entropy>,
    pub(super) db: Db,
    pub(super) background_db: Db,
    /// One connection for the revocation view alone.
    pub(super) view_db: Db,
    pub(super) memory: ShortMemory,
    pub(super) nats: async_nats::Client,
    pub(super) jetstream: async_nats::jetstream::Context,
    pub(super) subjects: Subjects,
    pub(super) publisher: Publisher,
    pub(super) sealer: Arc<Sealer>,
    /// The thread of what requests wait for.
    pub(super) requests: Arbiter,
    /// The thread of what nobody waits for.
    pub(super) background: Arbiter,
    pub(super) supervisor: Supervisor,
    /// Cancelled once the start is complete; until then the node is not ready.
    pub(super) start_complete: CancellationToken,
    /// Cancelled when an orderly stop begins.
    pub(super) stopping: CancellationToken,
    topology: Loop,
    gauges: Loop,
}

impl Foundation {
    /// Prepares everything without needing any dependency to be there.
    pub(super) async fn prepare(settings: Settings, clock: Option<Arc<dyn Clock>>) -> anyhow::Result<Self> {
        let losses = Losses::default();
        let pool = |max_connections, statement_timeout| {
            let (url, acquire_timeout, losses) = (settings.database.url.clone(), ACQUIRE, losses.clone());
            let config = store::Config { url, max_connections, acquire_timeout, statement_timeout, losses };
            Db::new(&config).context("database.url")
        };
        let db = pool(settings.database.max_connections, STATEMENT)?;
        let background_db = pool(BACKGROUND_CONNECTIONS, LONG_STATEMENT)?;
        let view_db = pool(1, LONG_STATEMENT)?;
        let memory = ShortMemory::new(&short_memory::Config {
            url: settings.redis.url.clone(),
            prefix: settings.redis.prefix.clone(),
            timeout: ANSWER,
            refuse_eviction: settings.is_production(),
        })
        .context("redis.url")?;
        let (requests, background) = (Arbiter::new(), Arbiter::new());
        let nats = connect_nats(&requests, settings.nats.url.expose()).await?;
        let jetstream = async_nats::jetstream::new(nats.clone());
        let subjects = Subjects::new(&settings.nats.prefix).context("nats.prefix")?;
        let publisher = Publisher::new(jetstream.clone(), subjects.clone(), ANSWER);
        let sealer = keys::sealer(&settings.secrets)?;
        let supervisor = Supervisor::default();
        let clock = clock.unwrap_or_else(|| Arc::new(SystemClock));
        let topology = Topology { subjects: subjects.clone(), replicas: settings.nats.replicas };
        let topology = keep_topology(nats.clone(), jetstream.clone(), topology, &supervisor);
        let measured = Measured {
            pools: [("requests", db.clone()), ("background", background_db.clone()), ("view", view_db.clone())],
            background_db: background_db.clone(),
            jetstream: jetstream.clone(),
            subjects: subjects.clone(),
            clock: Arc::clone(&clock),
        };
        let gauges = keep_gauges(measured, &supervisor)?;
        warm_up(&requests, db.clone(), memory.clone(), &settings.otp.allowed_countries).await;
        require_no_eviction(&memory, settings.is_production()).await?;
        Ok(Self {
            settings: Arc::new(settings),
            clock,
            entropy: Arc::new(SystemEntropy::default()),
            ids: Arc::new(DrawnAhead::new(Arc::new(SystemEntropy::default()))),
            db,
            background_db,
            view_db,
            memory,
            nats,
            jetstream,
            subjects,
            publisher,
            sealer,
            requests,
            background,
            supervisor,
            start_complete: CancellationToken::new(),
            stopping: CancellationToken::new(),
            topology,
            gauges,
        })
    }

    pub(super) fn otp_parts(&self) -> otp::Parts {
        let Settings { otp, rate_limit, .. } = &*self.settings;
        let config = otp::Config {
            lifetime: otp.lifetime,
            reset_lifetime: civiclens_actors::credentials::RESET_LIFETIME,
            max_guesses: otp.max_guesses,
            resend_after: otp.resend_after,
            per_phone: rate_limit.otp,
            per_address: rate_limit.otp_per_address,
            resets_per_phone: rate_limit.password_reset,
            resets_per_address: rate_limit.password_reset_per_address,
            allowed_countries: otp.allowed_countries.clone(),
            breaker: otp::BreakerConfig {
                rules: Rules {
                    address_unanswered: otp.breaker_address_unanswered,
                    network_unanswered: otp.breaker_network_unanswered,
                    wide_network_unanswered: otp.breaker_wide_network_unanswered,
                    min_sent: otp.breaker_min_sent,
                    min_entered_percent: otp.breaker_min_entered_percent,
                },
                window: otp.breaker_window,
                mode: otp.breaker_mode,
                exempt: rate_limit
                    .exempt_networks
                    .iter()
                    .map(|network| (network.addr(), network.prefix_len()))
                    .collect(),
            },
            expose_codes: otp.expose_codes,
        };
        otp::Parts {
            config,
            memory: self.memory.clone(),
            publisher: self.publisher.clone(),
            subjects: self.subjects.clone(),
            db: self.db.clone(),
            lockout: self.lockout(),
            hash_key: HashKey::new(&otp.secret).with_previous(&otp.previous_secret),
            device_key: self.hash_key(),
            sealer: Arc::clone(&self.sealer),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
        }
    }

    pub(super) fn passwords_parts(&self) -> passwords::Parts {
        let password = &self.settings.password;
        // One core is left to those who wait for nothing but an answer.
        let spare = || std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1));
        passwords::Parts {
            scheme: Scheme::new(&hashing(&self.settings)),
            policy: password_policy(&self.settings),
            threads: password.threads.unwrap_or_else(spare),
            queue: password.queue,
            judged_per_address: self.settings.rate_limit.password_strength_per_address,
            entropy: Arc::clone(&self.entropy),
            clock: Arc::clone(&self.clock),
        }
    }

    /// The development inbox, where this is a development environment.
    pub(super) fn inbox(&self) -> Option<Inbox> {
        (!self.settings.is_production()).then(|| Inbox::new(self.memory.clone()))
    }

    /// Flushes and closes connections, ends the actors' threads.
    pub(super) async fn close(self) {
        futures::join!(self.topology.end(CONNECT), self.gauges.end(CONNECT));
        if tokio::time::timeout(ANSWER, self.nats.flush()).await.is_err() {
            tracing::info!("NATS did not take the last messages: the outbox keeps events");
        }
        let pools = async { futures::join!(self.db.close(), self.background_db.close(), self.view_db.close()) };
        if tokio::time::timeout(ACQUIRE, pools).await.is_err() {
            tracing::warn!("database connections were still in use");
        }
        for arbiter in [self.requests, self.background] {
            arbiter.stop();
            // The thread ends by itself once its loop has seen the stop.
            drop(arbiter);
        }
    }
}

/// Opens the connection to NATS on the thread of what requests wait for.
async fn connect_nats(requests: &Arbiter, url: &str) -> anyhow::Result<async_nats::Client> {
    let options = ConnectOptions {
        url: url.to_owned(),
        name: "civiclens".to_owned(),
        connect_timeout: CONNECT,
        request_timeout: ANSWER,
    };
    let connect = async move { client::connect(&options).await };
    run_on(requests, connect).await.context("the thread of requests ended")?.context("nats.url")
}

/// Runs `work` on the thread of `arbiter`. A connection lives on the runtime that opened it: using it elsewhere wakes two
/// threads where one would do. Answers `None` if the thread ended.
async fn run_on<T: Send + 'static>(arbiter: &Arbiter, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (done, outcome) = tokio::sync::oneshot::channel();
    arbiter.spawn(async move {
        let _nobody_waits = done.send(work.await);
    });
    outcome.await.ok()
}

/// Refuses a Redis that forgets keys before their time, locks and budgets with them, where it tells. One that is away is
/// looked at by `/readyz` once it is there.
async fn require_no_eviction(memory: &ShortMemory, production: bool) -> anyhow::Result<()> {
    let wants = "set maxmemory-policy to noeviction: locks and budgets must not be forgotten before their time";
    match memory.eviction().await {
        Ok(Eviction::Never) | Err(_) => {}
        Ok(Eviction::By(policy)) if production => anyhow::bail!("Redis evicts keys ({policy}): {wants}"),
        Ok(Eviction::By(policy)) => tracing::warn!(policy, "Redis evicts keys, which production refuses: {wants}"),
        Ok(Eviction::Unknown) => tracing::warn!("Redis does not tell whether it evicts keys: {wants}"),
    }
    Ok(())
}

/// Opens the first connections on the thread that will use them. Where other countries than India are served, builds the tables
/// of their numbers, which takes most of a second in a debug build.
async fn warm_up(requests: &Arbiter, db: Db, memory: ShortMemory, countries: &[String]) {
    let abroad = countries.iter().any(|country| country != "IN");
    let warm = run_on(requests, async move {
        if abroad {
            let _ = Phone::parse("+442079460958").map(|phone| phone.country().is_some());
        }
        if let Err(error) = memory.check().await {
            tracing::warn!(%error, "Redis is not there yet");
        }
        if let Err(error) = db.check().await {
            tracing::warn!(%error, "PostgreSQL is not there yet");
        }
    });
    if tokio::time::timeout(Duration::from_secs(10), warm).await.is_err() {
        tracing::warn!("starting without warm connections");
    }
}
