//! Redis: the short memory. One-time codes, limits, second steps; nothing whose loss would matter for longer than minutes.
//!
//! Owns: one multiplexed connection. It reconnects by itself when it is closed, and is replaced when it falls silent or leads
//! to a server that takes no writes any more. Bound: a time limit on every command. When Redis is away, calls fail with
//! [`Unavailable`] and whatever depends on them is refused, never waved through.

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{Client, ServerErrorKind};
use redis::{ErrorKind, FromRedisValue, IntoConnectionInfo, RedisError, RedisResult, Script, ScriptInvocation};
use tokio::sync::Semaphore;

use crate::domain::secret::Secret;
use crate::settlement;

/// A connection that is younger than this and answers that the server is read-only is no news: a newer one leads there too.
const FRESH: Duration = Duration::from_secs(1);

/// Redis did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the short memory cannot be reached")]
pub struct Unavailable(#[from] RedisError);

/// Why the short memory cannot be relied on.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It did not answer, or takes no writes.
    #[error("{0}")]
    Unavailable(#[source] RedisError),
    /// It forgets keys before their time when its memory is full: locks and budgets with them.
    #[error("Redis evicts keys: maxmemory-policy is {0}, and must be noeviction")]
    Evicts(String),
}

/// What Redis does when its memory is full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It refuses writes, as it must.
    Never,
    /// It forgets keys, by this policy.
    By(String),
    /// It does not tell: `INFO` and `CONFIG` are closed to us.
    Unknown,
}

impl Unavailable {
    /// Whether the command may have been done all the same: it was sent, and its answer did not come.
    pub fn is_unclear(&self) -> bool {
        !self.0.is_connection_refusal()
    }
}

/// How to reach Redis.
#[derive(Clone, Debug)]
pub struct Config {
    /// `redis://…` or `rediss://…`.
    pub url: Secret,
    /// What every key begins with.
    pub prefix: String,
    /// How long a command may take, connecting included.
    pub timeout: Duration,
    /// Whether [`ShortMemory::check`] fails when Redis evicts keys.
    pub refuse_eviction: bool,
}

/// The short memory. Cheap to clone.
#[derive(Clone)]
pub struct ShortMemory {
    link: Arc<Link>,
    prefix: String,
    settling: Arc<Semaphore>,
}

/// A connection, and when the server last answered on it.
struct Line {
    connection: ConnectionManager,
    opened: Instant,
    heard: Mutex<Instant>,
}

/// The present connection, and how to make another one.
struct Link {
    client: Client,
    timeout: Duration,
    refuse_eviction: bool,
    line: RwLock<Arc<Line>>,
}

impl Link {
    /// Prepares a connection, which is made when first used.
    fn open(client: &Client, timeout: Duration) -> RedisResult<Arc<Line>> {
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(timeout))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(500));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), manager)?;
        let now = Instant::now();
        Ok(Arc::new(Line { connection, opened: now, heard: Mutex::new(now) }))
    }

    fn line(&self) -> Arc<Line> {
        Arc::clone(&self.line.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces `line`, unless somebody did so already. Whoever waits on it goes on waiting for no longer than a command may take.
    fn replace(&self, line: &Arc<Line>, why: &str) {
        let mut present = self.line.write().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&present, line) {
            return;
        }
        match Self::open(&self.client, self.timeout) {
            Ok(new) => {
                tracing::warn!(why, "the connection to Redis is replaced");
                metrics::counter!("civiclens_redis_replaced_total").increment(1);
                *present = new;
            }
            Err(error) => tracing::error!(%error, "no new connection to Redis could be prepared"),
        }
    }

    /// Asks once. Answers whether asking again on another connection cannot do anything twice.
    async fn once<T, F>(&self, ask: &impl Fn(ConnectionManager) -> F) -> Result<T, (RedisError, bool)>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let line = self.line();
        let asked = Instant::now();
        let late = |_| Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut)));
        let answer = tokio::time::timeout(self.timeout, ask(line.connection.clone())).await.unwrap_or_else(late);
        let heard = |at: Option<Instant>| {
            let mut heard = line.heard.lock().unwrap_or_else(PoisonError::into_inner);
            *heard = at.unwrap_or(*heard).max(*heard);
            *heard
        };
        let error = match answer {
            Ok(answer) => {
                heard(Some(Instant::now()));
                return Ok(answer);
            }
            Err(error) => error,
        };
        let demoted = matches!(
            error.kind(),
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown | ServerErrorKind::BusyLoading)
        );
        if demoted && line.opened.elapsed() > FRESH {
            // It did nothing, and where the address leads now may be another server.
            self.replace(&line, "the server takes no writes");
            return Err((error, true));
        }
        if !error.is_timeout() {
            // An answer, or a connection that was closed: the client library opens another one.
            return Err((error, false));
        }
        if heard(None) <= asked {
            // Nothing came on this connection, not only the answer to this command.
            self.replace(&line, "it is silent");
        }
        Err((error, false))
    }

    async fn ask<T, F>(&self, ask: impl Fn(ConnectionManager) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        match self.once(&ask).await {
            Err((_, true)) => self.once(&ask).await.map_err(|(error, _)| error),
            answer => answer.map_err(|(error, _)| error),
        }
    }
}

impl ShortMemory {
    /// Prepares the connection. Connects when first used, so it succeeds while Redis is away.
    pub fn new(config: &Config) -> Result<Self, Unavailable> {
        // The system gives up a connection whose other end is gone, also one that rests.
        let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(15)).with_interval(Duration::from_secs(5));
        let tcp = TcpSettings::default().set_nodelay(true).set_keepalive(keepalive.with_retries(3));
        let tcp = tcp.set_user_timeout(Duration::from_secs(10));
        let client = Client::open(config.url.expose().into_connection_info()?.set_tcp_settings(tcp))?;
        let first = RwLock::new(Link::open(&client, config.timeout)?);
        let Config { timeout, refuse_eviction, .. } = *config;
        let link = Arc::new(Link { client, timeout, refuse_eviction, line: first });
        Ok(Self { link, prefix: config.prefix.clone(), settling: Arc::new(Semaphore::new(settlement::MOST)) })
    }

    /// How many unclear outcomes may be in settlement.
    pub(crate) fn settling(&self) -> Arc<Semaphore> {
        Arc::clone(&self.settling)
    }

    /// The key made of `parts`, joined by colons after the prefix.
    pub fn key(&self, parts: &[&str]) -> String {
        let mut key = self.prefix.clone();
        for part in parts {
            key.push(':');
            key.push_str(part);
        }
        key
    }

    /// Runs a script: one atomic step, whatever other replicas do.
    pub async fn run<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, Unavailable> {
        Ok(self.link.ask(|mut connection| async move { invocation.invoke_async(&mut connection).await }).await?)
    }

    /// Runs one command.
    pub async fn command<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Unavailable> {
        Ok(self.link.ask(|mut connection| async move { command.query_async(&mut connection).await }).await?)
    }

    /// Runs several commands in one round trip.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &redis::Pipeline) -> Result<T, Unavailable> {
        Ok(self.link.ask(|mut connection| async move { commands.query_async(&mut connection).await }).await?)
    }

    /// Whether Redis answers, takes a write, and forgets nothing before its time.
    pub async fn check(&self) -> Result<(), CheckError> {
        let mut write = redis::cmd("SET");
        write.arg(self.key(&["ready"])).arg(1).arg("EX").arg(60);
        self.command::<()>(&write).await.map_err(|Unavailable(error)| CheckError::Unavailable(error))?;
        match self.eviction().await.map_err(|Unavailable(error)| CheckError::Unavailable(error))? {
            Eviction::By(policy) if self.link.refuse_eviction => Err(CheckError::Evicts(policy)),
            _ => Ok(()),
        }
    }

    /// What Redis does when its memory is full.
    pub async fn eviction(&self) -> Result<Eviction, Unavailable> {
        let info: Result<String, _> = self.command(redis::cmd("INFO").arg("memory")).await;
        let told = match info {
            Ok(info) => info.lines().find_map(|line| line.strip_prefix("maxmemory_policy:")).map(str::to_owned),
            Err(Unavailable(error)) if is_refusal(&error) => None,
            Err(error) => return Err(error),
        };
        let policy = match told {
            Some(policy) => policy,
            None => match self.command(redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy")).await {
                Ok(pair) => {
                    let (_, policy): (String, String) = pair;
                    policy
                }
                Err(Unavailable(error)) if is_refusal(&error) => return Ok(Eviction::Unknown),
                Err(error) => return Err(error),
            },
        };
        Ok(match policy.trim() {
            "noeviction" => Eviction::Never,
            other => Eviction::By(other.to_owned()),
        })
    }
}

/// Whether the server answered, and would not.
fn is_refusal(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::UnexpectedReturnType)
}

impl std::fmt::Debug for ShortMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShortMemory").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

/// A script, by its source.
pub fn script(source: &str) -> Script {
    Script::new(source)
}
