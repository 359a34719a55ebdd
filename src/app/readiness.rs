//! What `/readyz` and `/dev/inbox` look at.

use std::time::{Duration, Instant};

use async_nats::connection::State;
use civiclens_actors::notifications::inbox::Inbox;
use civiclens_actors::short_memory::ShortMemory;
use civiclens_actors::store::Db;
use civiclens_actors::supervision::{LoopState, Loops};
use civiclens_actors::{passwords, sessions};
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Components;
use super::foundation::Foundation;
use crate::http::{BoxFuture, Check, InboxView, Readiness};

/// How long a dependency may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long what was found out is told to others: whoever asks in between, and however many do, causes no work.
const FRESH: Duration = Duration::from_secs(1);

/// What every process depends on.
pub(super) struct Servers {
    db: Db,
    memory: ShortMemory,
    nats: async_nats::Client,
    loops: Loops,
    start_complete: CancellationToken,
    stopping: CancellationToken,
    probed: Probed,
}

/// What was found out last, and when. Whoever finds it stale looks, while the others wait for that.
#[derive(Default)]
struct Probed(Mutex<Option<(Instant, Vec<Check>)>>);

impl Probed {
    async fn or_else(&self, look: impl Future<Output = Vec<Check>>) -> Vec<Check> {
        let mut last = self.0.lock().await;
        if let Some((when, checks)) = &*last
            && when.elapsed() < FRESH
        {
            return checks.clone();
        }
        let checks = look.await;
        *last = Some((Instant::now(), checks.clone()));
        checks
    }
}

impl Servers {
    pub(super) fn new(foundation: &Foundation) -> Self {
        Self {
            db: foundation.db.clone(),
            memory: foundation.memory.clone(),
            nats: foundation.nats.clone(),
            loops: foundation.supervisor.loops.clone(),
            start_complete: foundation.start_complete.clone(),
            stopping: foundation.stopping.clone(),
            probed: Probed::default(),
        }
    }

    /// Asks PostgreSQL and Redis for a write each.
    async fn probe(&self) -> Vec<Check> {
        let postgres = timeout(PATIENCE, self.db.check());
        let redis = timeout(PATIENCE, self.memory.check());
        let (postgres, redis) = futures::join!(postgres, redis);
        let late = |_| "no answer in time".to_owned();
        vec![
            ("postgres", postgres.map_err(late).and_then(|answer| answer.map_err(|error| error.to_string()))),
            ("redis", redis.map_err(late).and_then(|answer| answer.map_err(|error| error.to_string()))),
        ]
    }

    /// What costs nothing to know.
    fn known(&self) -> Vec<Check> {
        let started = holds(self.start_complete.is_cancelled(), "starting");
        let stuck: Vec<_> = self.loops.states().into_iter().filter(|state| !state.is_well()).collect();
        let names = stuck.iter().map(|state| format!("{} ({:?} ago)", state.name, state.age)).collect::<Vec<_>>();
        vec![
            ("nats", holds(self.nats.connection_state() == State::Connected, "not connected")),
            ("loops", holds(stuck.is_empty(), &format!("no success for too long: {}", names.join(", ")))),
            ("process", holds(!self.stopping.is_cancelled(), "stopping").and(started)),
        ]
    }
}

impl Readiness for Servers {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async {
            let mut checks = self.probed.or_else(self.probe()).await;
            checks.extend(self.known());
            checks
        })
    }

    fn loops(&self) -> Vec<LoopState> {
        self.loops.states()
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

    async fn probe(&self) -> Vec<Check> {
        let (mut checks, passwords) = futures::join!(self.servers.probe(), self.passwords.probe());
        checks.push(("passwords", passwords.map_err(|error| error.to_string())));
        checks
    }
}

impl Readiness for Dependencies {
    fn check(&self) -> BoxFuture<'_, Vec<Check>> {
        Box::pin(async {
            let mut checks = self.servers.probed.or_else(self.probe()).await;
            checks.extend(self.servers.known());
            checks.extend([
                ("revocations", holds(self.sessions.is_ready(), "not loaded yet")),
                ("signing_keys", holds(self.sessions.has_keys(), "not loaded yet")),
            ]);
            checks
        })
    }

    fn loops(&self) -> Vec<LoopState> {
        self.servers.loops()
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[actix::test]
    async fn however_many_ask_the_servers_are_asked_once() {
        let (probed, looks) = (Probed::default(), AtomicUsize::new(0));
        let ask = || {
            probed.or_else(async {
                looks.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                vec![("postgres", Ok(()))]
            })
        };
        for checks in futures::future::join_all((0..100).map(|_| ask())).await {
            assert_eq!(checks, [("postgres", Ok(()))]);
        }
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        tokio::time::sleep(FRESH).await;
        ask().await;
        assert_eq!(looks.load(Ordering::Relaxed), 2, "what was found out does not stay true for ever");
    }

    #[actix::test]
    async fn whoever_looked_and_left_holds_up_nobody() {
        let probed = Probed::default();
        let left = timeout(Duration::from_millis(10), probed.or_else(std::future::pending())).await;
        assert!(left.is_err());
        assert!(probed.or_else(async { Vec::new() }).await.is_empty());
    }
}
