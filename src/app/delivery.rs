//! `civiclens worker`: the notification workers as a process of their own.

use std::sync::Arc;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::notifications;
use civiclens_nats::subjects::Channel;
use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::foundation::Foundation;
use super::listeners::Listeners;
use super::{DRAIN_WORKERS, readiness, worker};
use crate::config::Settings;

/// Notification workers without an API, running.
pub struct RunningWorkers {
    foundation: Foundation,
    workers: Vec<notifications::Handle>,
    listeners: Listeners,
}

impl RunningWorkers {
    /// Starts the workers of `channels` and, where `server.operator_listen` says so, answers operators. Must run inside an actix
    /// `System`.
    ///
    /// # Errors
    /// When a setting cannot be used or the address cannot be listened on. A dependency that is away is no error.
    pub async fn start(
        settings: Settings,
        channels: &[Channel],
        clock: Option<Arc<dyn Clock>>,
    ) -> anyhow::Result<Self> {
        let foundation = Foundation::prepare(settings, clock).await?;
        let workers = worker::start(&foundation, channels)?;
        let listeners = Listeners::of_worker(&foundation, Arc::new(readiness::Servers::new(&foundation)))?;
        foundation.start_complete.cancel();
        Ok(Self { foundation, workers, listeners })
    }

    /// Where operators look, if anywhere.
    pub fn operator_url(&self) -> Option<String> {
        self.listeners.operators.clone()
    }

    /// Cancelled when a part died: the process should end with a failure.
    pub fn crashed(&self) -> CancellationToken {
        self.foundation.supervisor.crashed.clone()
    }

    /// Says that it is not ready, fetches nothing more, finishes or gives back what is held, closes every connection.
    ///
    /// # Errors
    /// None today; callers must not assume so.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.foundation.stopping.cancel();
        join_all(self.workers.iter().map(|worker| worker.drain(DRAIN_WORKERS))).await;
        // Only now, so that the last deliveries can still be read off.
        self.listeners.stop().await;
        self.foundation.close().await;
        Ok(())
    }
}
