//! The service under test, one for each story.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream;
use civiclens::app::{App, Overrides, RunningApp};
use civiclens::config::Settings;
use civiclens_actors::accounts::NewAdmin;
use civiclens_actors::domain::clock::{Clock, ManualClock, SystemClock};
use civiclens_actors::domain::phone::Phone;
use civiclens_actors::domain::role::Role;
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::sessions::KeyRing;
use civiclens_nats::subjects::{StreamKind, Subjects};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use super::smtp::Smtp;
use super::stack::{self, OwnStack, Servers};
use super::twilio::{ACCOUNT, TOKEN, Twilio};
use super::{Answer, Citizen};

/// The longest anything may take.
const DEADLINE: Duration = Duration::from_secs(30);

/// How many stories are told at once, whatever the machine: the streams of each reserve disk of the NATS server.
static STAGE: Semaphore = Semaphore::const_new(4);

/// Waits for a turn on the NATS server that stories share.
pub(super) async fn turn() -> SemaphorePermit<'static> {
    STAGE.acquire().await.unwrap()
}

/// Where the servers are for the story itself, whatever way the service takes to them.
#[derive(Clone)]
struct Direct {
    database: Secret,
    nats: Secret,
}

/// The service, and everything around it.
pub(crate) struct TestApp {
    running: RunningApp,
    /// Where requests go instead, if they do not go here.
    elsewhere: Mutex<Option<String>>,
    pub(crate) settings: Settings,
    direct: Direct,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) twilio: Twilio,
    pub(crate) mail: Smtp,
    pub(crate) http: reqwest::Client,
    pub(crate) db: PgPool,
    pub(crate) jetstream: jetstream::Context,
    pub(crate) subjects: Subjects,
}

/// Tells a story about a service of its own.
pub(crate) fn story<'a>(told: impl AsyncFnOnce(&TestApp) + 'a) -> LocalBoxFuture<'a, ()> {
    story_with(|_| {}, told)
}

/// Tells a story about a service that is configured for it.
pub(crate) fn story_with<'a>(
    configure: impl FnOnce(&mut Settings) + 'a,
    told: impl AsyncFnOnce(&TestApp) + 'a,
) -> LocalBoxFuture<'a, ()> {
    tell(stack::shared(), true, configure, told).boxed_local()
}

/// Tells a story about a service that leaves the sending of messages to others.
pub(crate) fn story_without_workers<'a>(
    configure: impl FnOnce(&mut Settings) + 'a,
    told: impl AsyncFnOnce(&TestApp) + 'a,
) -> LocalBoxFuture<'a, ()> {
    tell(stack::shared(), false, configure, told).boxed_local()
}

/// Tells a story about a service on servers that can be taken away.
pub(crate) fn story_on<'a>(stack: &OwnStack, told: impl AsyncFnOnce(&TestApp) + 'a) -> LocalBoxFuture<'a, ()> {
    tell(stack.servers.clone(), true, |_| {}, told).boxed_local()
}

/// Leaves nothing behind, however the story ends.
async fn tell(
    servers: Servers,
    workers: bool,
    configure: impl FnOnce(&mut Settings),
    told: impl AsyncFnOnce(&TestApp),
) {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    let _turn = turn().await;
    let name = format!("t{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let admin = PgPoolOptions::new().max_connections(1).connect(&servers.database).await.unwrap();
    let create = format!("CREATE DATABASE {name} TEMPLATE {}", stack::TEMPLATE);
    sqlx::query(sqlx::AssertSqlSafe(create)).execute(&admin).await.unwrap();
    let clock = Arc::new(ManualClock::at(SystemClock.now()));
    let twilio = Twilio::start(Arc::clone(&clock)).await;
    let mail = Smtp::start().await;
    let mut settings = settings(&servers, &name, &twilio.url, &mail.url);
    let direct = Direct { database: settings.database.url.clone(), nats: settings.nats.url.clone() };
    configure(&mut settings);
    let problems = settings.validate(settings.is_production());
    assert!(problems.is_empty(), "{problems}");
    // Less than production allows: most stories are about more than hashing.
    // Most stories are not about the second factor of officers.
    if settings.two_factor.enforced_roles == Settings::default().two_factor.enforced_roles {
        settings.two_factor.enforced_roles = vec![Role::Admin];
    }
    if settings.password.cost == Settings::default().password.cost {
        settings.password.cost = 4;
    }
    let app = Box::pin(TestApp::start_with(settings, direct, workers, clock, twilio, mail)).await;
    let end = AssertUnwindSafe(told(&app)).catch_unwind().await;
    Box::pin(app.leave_nothing()).await;
    admin.close().await;
    if let Err(panic) = end {
        std::panic::resume_unwind(panic);
    }
}

fn settings(servers: &Servers, name: &str, twilio: &str, mail: &str) -> Settings {
    let mut settings = Settings::default();
    settings.server.listen = ([127, 0, 0, 1], 0).into();
    settings.server.operator_listen = Some(settings.server.listen);
    settings.server.stop_delay = Duration::ZERO;
    settings.server.workers = Some(1);
    settings.server.public_url = url::Url::parse("https://id.civiclens.example").ok();
    settings.database.url = Secret::from(stack::database(&servers.database, name));
    settings.database.max_connections = 4;
    settings.redis.url = Secret::from(servers.redis.as_str());
    name.clone_into(&mut settings.redis.prefix);
    settings.nats.url = Secret::from(servers.nats.as_str());
    name.clone_into(&mut settings.nats.prefix);
    settings.token.secret = Secret::from("712078b315cf4667e7e9626134060ada1a3281951f1a0045983ff407377f5041");
    settings.otp.secret = Secret::from("d3ba965dd3961734c29801e84b52bd63d14b6d710f4def77cfe11dea8a8a6afe");
    settings.otp.webotp_domain = Some("app.civiclens.example".to_owned());
    settings.csrf.secret = Secret::from("249916a484f1386132717fdac472997713ec8fef9d8ccc04355690821cdb43bf");
    settings.secrets.sealing_key = Secret::from("1e549a9202dcd5853ca9cc4443fd3bd05ac9063479cbb29db83ecbebbbce3537");
    settings.secrets.hash_key = Secret::from("bcf9e4acbec4d5313c2db9853950957a6d633418bd89d9a4ff65fdd005616bc6");
    settings.secrets.password_pepper = Secret::from("d2ba3766c56c9adb7a8353c388105d5b1dee241438442cf9399f81acefd4cce6");
    settings.sms.provider = String::from("twilio");
    settings.sms.api_key = Secret::from(ACCOUNT);
    settings.sms.api_secret = Secret::from(TOKEN);
    settings.sms.from = Some("+15005550006".to_owned());
    settings.sms.base_url = Some(twilio.to_owned());
    settings.email.provider = String::from("smtp");
    settings.email.smtp_url = Secret::from(mail);
    settings.email.from = Some("CivicLens <no-reply@civiclens.example>".to_owned());
    settings
}

impl TestApp {
    async fn start_with(
        settings: Settings,
        direct: Direct,
        workers: bool,
        clock: Arc<ManualClock>,
        twilio: Twilio,
        mail: Smtp,
    ) -> Self {
        let overrides = Overrides { clock: Some(Arc::clone(&clock) as Arc<dyn Clock>), workers };
        let running = App::start(settings.clone(), overrides).await.unwrap();
        let nats = async_nats::ConnectOptions::new().retry_on_initial_connect();
        let address = url::Url::parse(direct.nats.expose()).unwrap();
        let nats = match address.password() {
            Some(password) => nats.user_and_password(address.username().to_owned(), password.to_owned()),
            None if address.username().is_empty() => nats,
            None => nats.token(address.username().to_owned()),
        };
        let nats = nats.connect(direct.nats.expose()).await.unwrap();
        let pool = PgPoolOptions::new().max_connections(2).connect_lazy(direct.database.expose()).unwrap();
        let app = Self {
            running,
            elsewhere: Mutex::new(None),
            direct,
            clock,
            twilio,
            mail,
            http: reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap(),
            db: pool,
            jetstream: jetstream::new(nats),
            subjects: Subjects::new(settings.nats.prefix.clone()).unwrap(),
            settings,
        };
        app.becomes_ready().await;
        app
    }

    /// Waits until `/readyz` says so.
    pub(crate) async fn becomes_ready(&self) {
        let ready = async || (self.gets("/readyz").await.status == 200).then_some(());
        eventually("readiness", ready).await;
    }

    /// A second service on the same servers, database and prefixes.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_with(|_| {}).await
    }

    /// A replica that is configured otherwise.
    pub(crate) async fn replica_with(&self, configure: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.settings.clone();
        configure(&mut settings);
        // Its state is too large for the future of every story.
        let (direct, clock) = (self.direct.clone(), Arc::clone(&self.clock));
        Box::pin(Self::start_with(settings, direct, true, clock, self.twilio.clone(), self.mail.clone())).await
    }

    /// What `civiclens keys` does its work with.
    pub(crate) fn signing_keys(&self) -> Arc<KeyRing> {
        self.running.signing_keys()
    }

    /// The URL of the database, by the way that the story itself takes.
    pub(super) fn database_url(&self) -> &str {
        self.direct.database.expose()
    }

    pub(crate) async fn stop(self) {
        self.db.close().await;
        tokio::time::timeout(DEADLINE, self.running.stop())
            .await
            .unwrap_or_else(|_| panic!("it does not stop"))
            .unwrap();
    }

    async fn leave_nothing(self) {
        for kind in StreamKind::ALL {
            let delete = self.jetstream.delete_stream(self.subjects.stream(kind));
            let _ = tokio::time::timeout(Duration::from_secs(2), delete).await;
        }
        self.stop().await;
    }

    /// The address of `path`: operators' pages have a listener of their own.
    pub(crate) fn at(&self, path: &str) -> String {
        if let Some(elsewhere) = &*self.elsewhere.lock().unwrap() {
            return format!("{elsewhere}{path}");
        }
        let operators = self.running.operator_url().filter(|_| path == "/metrics" || path.starts_with("/docs"));
        format!("{}{path}", operators.unwrap_or_else(|| self.running.url()))
    }

    /// From now on requests go to another process, which must share everything with this one.
    pub(crate) fn requests_go_to(&self, url: String) {
        *self.elsewhere.lock().unwrap() = Some(url);
    }

    /// The address of `path`, asked of the listener that the public sees.
    pub(crate) fn in_public(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    pub(crate) async fn gets(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.at(path))).await
    }

    pub(crate) fn citizen(&self, phone: &str) -> Citizen<'_> {
        Citizen::new(self, phone)
    }

    pub(crate) fn minutes_pass(&self, minutes: i64) {
        self.clock.advance(chrono::Duration::minutes(minutes));
    }

    /// Makes the holder of `phone` an administrator.
    pub(crate) async fn appoints_admin(&self, phone: &str) -> i64 {
        let phone = Phone::parse(phone).unwrap();
        let new = NewAdmin {
            phone: &phone,
            full_name: "Asha Rao",
            email: "asha@example.org",
            employee_id: "EMP-1",
            password_hash: "$2b$12$not-a-hash-anyone-can-match",
        };
        self.running.accounts().create_admin(&new).await.unwrap().get()
    }

    pub(crate) fn accounts(&self) -> civiclens_actors::accounts::Handle {
        self.running.accounts()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db).await.unwrap()
    }
}

/// Looks again and again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: nothing within {DEADLINE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
