//! Redis: the short memory. One-time codes, limits, second steps; nothing whose loss would matter for longer than minutes.
//!
//! Owns: one multiplexed connection that reconnects by itself. Bound: a response timeout on every command. When Redis is
//! away, calls fail with [`Unavailable`] and whatever depends on them is refused, never waved through.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{FromRedisValue, Script, ScriptInvocation};
use tokio::sync::Semaphore;

use crate::domain::secret::Secret;
use crate::settlement;

/// Redis did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the short memory cannot be reached")]
pub struct Unavailable(#[from] redis::RedisError);

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
    /// How long a command may take.
    pub timeout: Duration,
}

/// The short memory. Cheap to clone.
#[derive(Clone)]
pub struct ShortMemory {
    connection: ConnectionManager,
    prefix: String,
    settling: Arc<Semaphore>,
}

impl ShortMemory {
    /// Prepares the connection. Connects when first used, so it succeeds while Redis is away.
    pub fn new(config: &Config) -> Result<Self, Unavailable> {
        let client = redis::Client::open(config.url.expose())?;
        let manager = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(config.timeout))
            .set_response_timeout(Some(config.timeout))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(500));
        let connection = ConnectionManager::new_lazy_with_config(client, manager)?;
        let settling = Arc::new(Semaphore::new(settlement::MOST));
        Ok(Self { connection, prefix: config.prefix.clone(), settling })
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
        Ok(invocation.invoke_async(&mut self.connection.clone()).await?)
    }

    /// Runs one command.
    pub async fn command<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, Unavailable> {
        Ok(command.query_async(&mut self.connection.clone()).await?)
    }

    /// Runs several commands in one round trip.
    pub async fn pipeline<T: FromRedisValue>(&self, commands: &redis::Pipeline) -> Result<T, Unavailable> {
        Ok(commands.query_async(&mut self.connection.clone()).await?)
    }

    /// Whether Redis answers.
    pub async fn check(&self) -> Result<(), Unavailable> {
        self.command::<()>(&redis::cmd("PING")).await
    }
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
