//! The composition root: makes every part once, joins them, and takes them down in order.
//!
//! [`App`] is the whole service; `serve`, `dev` and the tests start the same one.

mod admin;
mod codes;
mod delivery;
mod dev;
mod foundation;
mod keys;
mod lifecycle;
mod listeners;
mod loops;
mod password_costs;
mod readiness;
mod secrets;
mod sign_in;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::outbox::Relay;
use civiclens_actors::supervision::Loop;
use civiclens_actors::{accounts, audit, notifications, otp, outbox, passwords, sessions};
use futures::FutureExt;
use futures::future::{LocalBoxFuture, join_all};
use tokio_util::sync::CancellationToken;

pub use self::admin::admin_create;
pub use self::codes::otp_resume;
pub use self::delivery::RunningWorkers;
pub use self::dev::dev;
pub use self::keys::{keys_list, keys_retire, keys_rotate};
pub use self::lifecycle::{migrate, replay_events, serve, worker};
pub use self::secrets::secrets_reseal;

use self::foundation::Foundation;
use self::listeners::Listeners;
use crate::config::Settings;
use crate::http::{self, ApiState};

/// How long each part may take to finish what it holds. A test in [`lifecycle`] adds up what a stop may take.
const DRAIN: Duration = Duration::from_secs(5);
/// How long the start waits for what can be read later as well.
const START: Duration = Duration::from_secs(3);
/// How many parts finish one after the other.
const DRAINED_IN_TURN: usize = 4;
/// How long workers may take. They finish side by side with the requests under way.
const DRAIN_WORKERS: Duration = Duration::from_secs(15);

/// What a caller may replace.
#[derive(Clone, Debug)]
pub struct Overrides {
    /// The clock.
    pub clock: Option<Arc<dyn Clock>>,
    /// Whether the notification workers run in this process.
    pub workers: bool,
}

/// The service.
#[derive(Debug)]
pub struct App;

/// The service, running.
pub struct RunningApp {
    foundation: Foundation,
    components: Components,
    listeners: Listeners,
    password_costs: Loop,
}

struct Components {
    otp: otp::Handle,
    passwords: passwords::Handle,
    sessions: sessions::Handle,
    sign_in: sign_in::SignInParts,
    accounts: accounts::Handle,
    audit: audit::Handle,
    outbox: outbox::Handle,
    workers: Vec<notifications::Handle>,
}

impl App {
    /// Starts everything and answers once requests are accepted. Must run inside an actix `System`.
    ///
    /// # Errors
    /// When a setting cannot be used or an address cannot be listened on. A dependency that is away is no error: the
    /// service starts, is not ready, and works as soon as the dependency is there.
    pub async fn start(settings: Settings, overrides: Overrides) -> anyhow::Result<RunningApp> {
        let app = Self::start_without_readiness(settings, overrides).await?;
        app.complete_start();
        Ok(app)
    }

    /// Starts everything, but `/readyz` answers 503 until [`RunningApp::complete_start`]: for a caller that has more to prepare.
    async fn start_without_readiness(settings: Settings, overrides: Overrides) -> anyhow::Result<RunningApp> {
        let foundation = Foundation::prepare(settings, overrides.clock).await?;
        let components = Components::start(&foundation, overrides.workers)?;
        let costs = password_costs::look(&foundation.background_db, &components.passwords);
        let costs = tokio::time::timeout(START, costs).map(|_| ()).boxed_local();
        futures::join!(components.passwords.warm_up(), wait_for_sessions(&components.sessions), costs);
        let (db, passwords) = (foundation.background_db.clone(), components.passwords.clone());
        let password_costs = password_costs::watch(db, passwords, &foundation.supervisor);
        let listeners = start_http(&foundation, &components)?;
        Ok(RunningApp { foundation, components, listeners, password_costs })
    }
}

impl Components {
    fn start(foundation: &Foundation, workers: bool) -> anyhow::Result<Self> {
        let supervisor = &foundation.supervisor;
        let crashed = &supervisor.crashed;
        let (requests, background) = (foundation.requests.handle(), foundation.background.handle());
        let clock = Arc::clone(&foundation.clock);
        let otp = otp::Handle::start(otp::Service::new(foundation.otp_parts()), &requests, crashed);
        let dbs = (foundation.db.clone(), foundation.background_db.clone());
        let audit = audit::Handle::start(dbs, Arc::clone(&clock), &requests, supervisor);
        let passwords = passwords::Handle::start(foundation.passwords_parts(), crashed);
        let sessions =
            sessions::Handle::start(sessions::Service::new(foundation.sessions_parts(&audit)?), &requests, supervisor);
        let sign_in = foundation.join_sign_in(&otp, &passwords, &sessions, &audit);
        let accounts = accounts::Handle::new(foundation.db.clone(), Arc::clone(&clock));
        let retention = chrono::Duration::from_std(foundation.settings.outbox.retention)?;
        let relay = Relay::new(foundation.background_db.clone(), foundation.publisher.clone(), clock, retention);
        let outbox = outbox::Handle::start(relay, &background, supervisor);
        let workers = if workers { worker::start(foundation, &worker::CHANNELS)? } else { Vec::new() };
        Ok(Self { otp, passwords, sessions, sign_in, accounts, audit, outbox, workers })
    }

    /// Finishes in the order in which parts depend on each other.
    async fn drain(&self) {
        let parts: [LocalBoxFuture<'_, ()>; DRAINED_IN_TURN] = [
            futures::future::join(self.otp.drain(DRAIN), self.passwords.drain(DRAIN)).map(|_| ()).boxed_local(),
            self.sessions.drain(DRAIN).boxed_local(),
            self.audit.drain(DRAIN).boxed_local(),
            self.outbox.drain(DRAIN).boxed_local(),
        ];
        for part in parts {
            part.await;
        }
    }
}

/// Gives the revocation view and the signing keys a moment to be read, so that the first request finds the node ready. Without PostgreSQL the
/// node starts all the same and says that it is not ready.
async fn wait_for_sessions(sessions: &sessions::Handle) {
    let read = async {
        while !(sessions.is_ready() && sessions.has_keys()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    if tokio::time::timeout(START, read).await.is_err() {
        tracing::warn!("starting before the revocations and the signing keys were read");
    }
}

fn start_http(foundation: &Foundation, components: &Components) -> anyhow::Result<Listeners> {
    let state = ApiState {
        otp: components.otp.clone(),
        sign_in: components.sign_in.doors.clone(),
        two_factor: components.sign_in.two_factor.clone(),
        credentials: components.sign_in.credentials.clone(),
        administration: components.sign_in.administration.clone(),
        passwords: components.passwords.clone(),
        sessions: components.sessions.clone(),
        accounts: components.accounts.clone(),
        audit: components.audit.clone(),
        browser: http::Browser::new(&foundation.settings, Arc::clone(&foundation.entropy)),
        inbox: foundation.inbox().map(|inbox| Arc::new(readiness::DevInbox(inbox)) as Arc<dyn http::InboxView>),
        settings: Arc::clone(&foundation.settings),
    };
    let ready = readiness::Dependencies::new(foundation, components);
    Listeners::of_node(foundation, Arc::new(ready), state)
}

impl RunningApp {
    /// Where the API is.
    pub fn url(&self) -> String {
        self.listeners.api.clone().unwrap_or_default()
    }

    /// Lets `/readyz` say that the node is ready, as soon as everything it depends on is.
    fn complete_start(&self) {
        self.foundation.start_complete.cancel();
    }

    /// Where operators look, if it is not beside the API.
    pub fn operator_url(&self) -> Option<String> {
        self.listeners.operators.clone()
    }

    /// Cancelled when a part died: the process should end with a failure.
    pub fn crashed(&self) -> CancellationToken {
        self.foundation.supervisor.crashed.clone()
    }

    /// The door to accounts, for operators' commands.
    pub fn accounts(&self) -> accounts::Handle {
        self.components.accounts.clone()
    }

    /// The signing keys, for operators' commands.
    pub fn signing_keys(&self) -> Arc<sessions::KeyRing> {
        self.components.sessions.keys()
    }

    /// Says that it is not ready, goes on for `server.stop_delay`, stops accepting, finishes what was accepted, publishes
    /// what was committed, closes every connection.
    ///
    /// # Errors
    /// None today; callers must not assume so.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.foundation.stopping.cancel();
        // Load balancers look at readiness now and then, and send requests until they have. Where a part died there is
        // nothing to wait for.
        let noticed = tokio::time::sleep(self.foundation.settings.server.stop_delay);
        self.foundation.supervisor.crashed.run_until_cancelled(noticed).await;
        // Then everything that takes work in, side by side.
        let servers = self.listeners.stop();
        let workers = join_all(self.components.workers.iter().map(|worker| worker.drain(DRAIN_WORKERS)));
        futures::join!(servers, workers, self.password_costs.end(DRAIN));
        self.components.drain().await;
        self.foundation.close().await;
        Ok(())
    }
}
