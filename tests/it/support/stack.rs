//! The servers: one stack for the run, and one of their own for stories about outages.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use civiclens::embedded::{Binaries, Durability, Options, Service, Stack};
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::store::{self, Db, Losses};
use sqlx::Connection;
use tokio::sync::{mpsc, oneshot};

/// The database that every test's own is copied from.
pub(crate) const TEMPLATE: &str = "civiclens_template";

/// What the name of every folder of a run starts with; the process follows.
pub(super) const FOLDER: &str = "civiclens-it-";

/// Where the servers of a stack are: their URLs.
#[derive(Clone, Debug)]
pub(crate) struct Servers {
    pub(crate) database: String,
    pub(crate) redis: String,
    pub(crate) nats: String,
}

enum Order {
    Stop(Service),
    Start(Service),
    End,
}

/// A stack for one story, whose servers can be taken away.
pub(crate) struct OwnStack {
    pub(crate) servers: Servers,
    orders: mpsc::UnboundedSender<(Order, oneshot::Sender<()>)>,
}

impl OwnStack {
    pub(crate) fn start() -> Self {
        let (orders, receiver) = mpsc::unbounded_channel();
        Self { servers: launch(receiver), orders }
    }

    async fn order(&self, order: Order) {
        let (done, wait) = oneshot::channel();
        self.orders.send((order, done)).unwrap_or_else(|_| panic!("the stack has ended"));
        wait.await.unwrap();
    }

    pub(crate) async fn loses(&self, service: Service) {
        self.order(Order::Stop(service)).await;
    }

    pub(crate) async fn regains(&self, service: Service) {
        self.order(Order::Start(service)).await;
    }

    pub(crate) async fn ends(self) {
        self.order(Order::End).await;
    }
}

/// The stack of the run. It ends with the process.
pub(crate) fn shared() -> Servers {
    static SHARED: OnceLock<OwnStack> = OnceLock::new();
    SHARED.get_or_init(OwnStack::start).servers.clone()
}

/// Starts a stack on a thread of its own, which lives as long as the stack: the servers are that thread's children.
fn launch(mut orders: mpsc::UnboundedReceiver<(Order, oneshot::Sender<()>)>) -> Servers {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let (ready, wait) = std::sync::mpsc::channel();
    let serve = move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async move {
            let data_dir = folder(number);
            let options = Options {
                data_dir: data_dir.clone(),
                durability: Durability::Ephemeral,
                binaries: Binaries::default(),
            };
            let mut stack = Stack::start(options).await.unwrap_or_else(|error| panic!("no servers: {error}"));
            let servers = Servers {
                database: stack.database_url().to_owned(),
                redis: stack.redis_url().to_owned(),
                nats: stack.nats_url().to_owned(),
            };
            make_template(&servers).await;
            ready.send(servers).unwrap();
            while let Some((order, done)) = orders.recv().await {
                match order {
                    Order::Stop(service) => stack.stop_service(service).await.unwrap(),
                    Order::Start(service) => stack.start_service(service).await.unwrap(),
                    Order::End => {
                        stack.stop().await.unwrap();
                        let _ = std::fs::remove_dir_all(data_dir);
                        let _ = done.send(());
                        return;
                    }
                }
                let _ = done.send(());
            }
        });
    };
    std::thread::Builder::new().name(format!("stack {number}")).spawn(serve).unwrap();
    wait.recv_timeout(Duration::from_mins(1)).unwrap_or_else(|_| panic!("the servers did not start"))
}

/// A new folder. What earlier runs left is removed.
fn folder(number: usize) -> PathBuf {
    let temporary = std::env::temp_dir();
    for entry in std::fs::read_dir(&temporary).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(FOLDER).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|process| !PathBuf::from("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    temporary.join(format!("{FOLDER}{}-{number}", std::process::id()))
}

/// The URL of another database on the same server.
pub(crate) fn database(url: &str, name: &str) -> String {
    let mut url = url::Url::parse(url).unwrap();
    url.set_path(name);
    url.into()
}

/// A new database on the server of the run, which nobody migrated yet.
pub(crate) async fn unused_database() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(1);
    let (name, servers) = (format!("unused{}", COUNT.fetch_add(1, Ordering::Relaxed)), shared());
    let mut admin = sqlx::PgConnection::connect(&servers.database).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::query(create).execute(&mut admin).await.unwrap();
    admin.close().await.unwrap();
    database(&servers.database, &name)
}

async fn make_template(servers: &Servers) {
    let admin = sqlx::PgPool::connect(&servers.database).await.unwrap();
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {TEMPLATE}"));
    sqlx::query(create).execute(&admin).await.unwrap();
    admin.close().await;
    let config = store::Config {
        url: Secret::from(database(&servers.database, TEMPLATE)),
        max_connections: 1,
        acquire_timeout: Duration::from_secs(10),
        statement_timeout: Duration::from_secs(10),
        losses: Losses::default(),
    };
    let db = Db::new(&config).unwrap();
    db.migrate().await.unwrap();
    db.close().await;
}
