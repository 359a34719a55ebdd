//! The commands that run until they are told to stop, and the one that migrates.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use chrono::{DateTime, Utc};
use civiclens_actors::store::{self, Db, Losses};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{App, Overrides, RunningWorkers, worker as workers};
use crate::cli::Channel;
use crate::config::Settings;

/// The most that an orderly stop may take: the wait for load balancers, requests, then every part in turn. An orchestrator
/// is asked for 60 s.
const STOP: Duration = Duration::from_secs(55);

/// Runs the service until a signal.
///
/// # Errors
/// When it cannot start.
pub async fn serve(settings: Settings, workers: bool) -> anyhow::Result<ExitCode> {
    let app = App::start(settings, Overrides { clock: None, workers }).await?;
    tracing::info!(url = app.url(), "ready for requests");
    let reason = wait_for_end(&app.crashed()).await?;
    orderly(app.stop(), reason).await
}

/// Runs the notification workers of `channels`, of all when none is named, until a signal. Answers operators where
/// `server.operator_listen` says so.
///
/// # Errors
/// When they cannot start.
pub async fn worker(settings: Settings, channels: Vec<Channel>) -> anyhow::Result<ExitCode> {
    let channels = workers::named_or_all(&channels);
    let running = RunningWorkers::start(settings, &channels, None).await?;
    tracing::info!(?channels, operators = running.operator_url(), "ready for jobs");
    let reason = wait_for_end(&running.crashed()).await?;
    orderly(running.stop(), reason).await
}

/// Applies every missing migration.
///
/// # Errors
/// When PostgreSQL cannot be reached or a migration fails.
pub async fn migrate(settings: Settings) -> anyhow::Result<ExitCode> {
    migrate_database(&settings).await?;
    tracing::info!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}

/// Marks everything published since `since` as waiting, so that a relay publishes it again under the same ids.
///
/// # Errors
/// When PostgreSQL cannot be reached.
pub async fn replay_events(settings: Settings, since: DateTime<Utc>) -> anyhow::Result<ExitCode> {
    let db = command_database(&settings)?;
    let count = db.replay_outbox(since).await?;
    db.close().await;
    tracing::info!(count, "messages wait to be published again");
    Ok(ExitCode::SUCCESS)
}

/// A single connection, for a command.
pub(super) fn command_database(settings: &Settings) -> anyhow::Result<Db> {
    let config = store::Config {
        url: settings.database.url.clone(),
        max_connections: 1,
        acquire_timeout: Duration::from_secs(10),
        // A command may do more at once than a request does, such as making partitions.
        statement_timeout: Duration::from_mins(1),
        losses: Losses::default(),
    };
    Db::new(&config).context("database.url")
}

pub(super) async fn migrate_database(settings: &Settings) -> anyhow::Result<()> {
    let db = command_database(settings)?;
    db.migrate().await.context("the database could not be migrated")?;
    db.close().await;
    Ok(())
}

/// Why a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Somebody asked.
    Asked,
    /// A part died.
    Crashed,
}

/// Waits for the first signal, or for a part to die.
pub(super) async fn wait_for_end(crashed: &CancellationToken) -> anyhow::Result<End> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => Ok(End::Asked),
        _ = terminate.recv() => Ok(End::Asked),
        () = crashed.cancelled() => {
            tracing::error!("a part of the service died");
            Ok(End::Crashed)
        }
    }
}

/// Stops in order, unless a second signal or the clock cuts it short.
pub(super) async fn orderly(stop: impl Future<Output = anyhow::Result<()>>, end: End) -> anyhow::Result<ExitCode> {
    tracing::info!("stopping");
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        done = stop => done?,
        _ = interrupt.recv() => anyhow::bail!("stopped at once by a second signal"),
        _ = terminate.recv() => anyhow::bail!("stopped at once by a second signal"),
        () = tokio::time::sleep(STOP) => anyhow::bail!("the stop took too long and was cut short"),
    }
    tracing::info!("stopped");
    Ok(if end == End::Asked { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::foundation::CLOSE;
    use crate::app::{DRAIN, DRAIN_WORKERS, DRAINED_IN_TURN};
    use crate::config::{MAX_DELAY_AND_REQUEST, MAX_STOP_DELAY, Server};
    use crate::http::STOP_GRACE;

    fn longest_stop(delay: Duration, request: Duration) -> Duration {
        let in_turn = DRAIN * u32::try_from(DRAINED_IN_TURN).unwrap();
        delay + (request + STOP_GRACE).max(DRAIN_WORKERS) + in_turn + CLOSE
    }

    #[test]
    fn what_a_stop_waits_for_fits_into_its_limit() {
        let server = Server::default();
        assert!(longest_stop(server.stop_delay, server.request_timeout) <= STOP);
        for delay in 0..=MAX_STOP_DELAY.as_secs() {
            let delay = Duration::from_secs(delay);
            assert!(longest_stop(delay, MAX_DELAY_AND_REQUEST.saturating_sub(delay)) <= STOP, "{delay:?}");
            assert!(longest_stop(delay, Duration::ZERO) <= STOP, "{delay:?}");
        }
        // A worker waits for its jobs, then for whoever reads its metrics.
        assert!(DRAIN_WORKERS + MAX_DELAY_AND_REQUEST + STOP_GRACE + CLOSE <= STOP);
        assert!(STOP < Duration::from_mins(1));
    }
}
