//! What `/readyz` and `/dev/inbox` look at.

use std::time::Duration;

use async_nats::connection::State;
use civiclens_actors::notifications::inbox::Inbox;
use civiclens_actors::short_memory::ShortMemory;
use civiclens_actors::store::Db;
use civiclens_actors::{passwords, sessions};
use tokio_util::sync::CancellationToken;

use super::Components;
use super::foundation::Foundation;
use crate::http::{BoxFuture, Check, InboxView, Readiness};

/// How long a dependency may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// What every process depends on.
pub(super) struct Servers {
    db: Db,
    memory: ShortMemory,
    nats: async_nats::Client,
    stopping: CancellationToken,
}

impl Servers {
    pub(super) fn new(foundation: &Foundation) -> Self {
        Self {
            db: foundation.db.clone(),
            memory: foundation.memory.clone(),
            nats: foundation.nats.clone(),
            stopping: foundation.stopping.clone(),
        }
    }

    async fn look(&self) -> Vec<Check> {
        let postgres = tokio::time::timeout(PATIENCE, self.db.check());
        let redis = tokio::time::timeout(PATIENCE, self.memory.check());
        let (postgres, redis) = futures::join!(postgres, redis);
        let late = |_| "no answer in time".to_owned();
        vec![
            ("postgres", postgres.map_err(late).and_then(|answer| answer.map_err(|error| error.to_string()))),
            ("redis", redis.map_err(late).and_then(|answer| answer.map_err(|error| error.to_string()))),
            ("nats", holds(self.nats.connection_state() == State::Connected, "not connected")),
            ("process", holds(!self.stopping.is_cancelled(), "stopping")),
        ]
    }
}

impl Readiness for Servers {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(self.look())
    }
}

fn holds(holds: bool, otherwise: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise.to_owned()) }
}

/// What a node that answers the API depends on.
pub(super) struct Dependencies {
    servers: Servers,
    passwords: passwords::Handle,
    sessions: sessions::Handle,
}

impl Dependencies {
    pub(super) fn new(foundation: &Foundation, components: &Components) -> Self {
        let Components { passwords, sessions, .. } = components;
        Self { servers: Servers::new(foundation), passwords: passwords.clone(), sessions: sessions.clone() }
    }

    async fn look(&self) -> Vec<Check> {
        let (mut checks, passwords) = futures::join!(self.servers.look(), self.passwords.probe());
        checks.extend([
            ("passwords", passwords.map_err(|error| error.to_string())),
            ("revocations", holds(self.sessions.is_ready(), "not loaded yet")),
            ("signing_keys", holds(self.sessions.has_keys(), "not loaded yet")),
        ]);
        checks
    }
}

impl Readiness for Dependencies {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(self.look())
    }
}

/// The development inbox, as JSON.
pub(super) struct DevInbox(pub(super) Inbox);

impl InboxView for DevInbox {
    fn messages(&self) -> BoxFuture<'_, Vec<serde_json::Value>> {
        Box::pin(async {
            let messages = self.0.messages().await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the inbox cannot be read");
                Vec::new()
            });
            messages.into_iter().filter_map(|message| serde_json::to_value(message).ok()).collect()
        })
    }
}
