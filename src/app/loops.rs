//! The loops that belong to no component: streams and consumers are kept, and gauges are measured. Nothing measures itself:
//! what a loop has not done is measured here, and how this one does is told by the register of loops.

use std::sync::Arc;
use std::time::Duration;

use civiclens_actors::domain::clock::Clock;
use civiclens_actors::store::Db;
use civiclens_actors::supervision::{Heartbeat, Loop, Supervisor};
use civiclens_nats::client;
use civiclens_nats::lag::consumer_lag;
use civiclens_nats::reconcile::Topology;
use civiclens_nats::subjects::{StreamKind, Subjects};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::worker::CHANNELS;
use crate::telemetry::{Metrics, start_metrics};

/// How often streams and consumers are looked at: a deleted one is made again.
const TOPOLOGY_EVERY: Duration = Duration::from_mins(1);
/// How soon after a failure.
const TOPOLOGY_RETRY: Duration = Duration::from_millis(500);
/// How long looking at all of them may take.
const TOPOLOGY_STEP: Duration = Duration::from_secs(30);
/// How long ago that may have succeeded.
const TOPOLOGY_BOUND: Duration = Duration::from_mins(3);
/// How often gauges are measured.
const GAUGES_EVERY: Duration = Duration::from_secs(5);
/// How long measuring one may take.
const GAUGE: Duration = Duration::from_secs(4);
/// How long measuring them may take, and how long ago it may have succeeded.
const GAUGES_STEP: Duration = Duration::from_secs(10);
const GAUGES_BOUND: Duration = Duration::from_mins(1);

/// What is measured.
pub(super) struct Measured {
    /// The connections of requests and of loops.
    pub(super) pools: [(&'static str, Db); 3],
    /// On which the outbox is measured: not the connections of requests.
    pub(super) background_db: Db,
    pub(super) jetstream: async_nats::jetstream::Context,
    pub(super) subjects: Subjects,
    pub(super) clock: Arc<dyn Clock>,
}

/// Makes streams and consumers as they should be as soon as NATS is there, and from then on makes again what is gone. A
/// server that is too old ends the process.
pub(super) fn keep_topology(
    nats: async_nats::Client,
    jetstream: async_nats::jetstream::Context,
    topology: Topology,
    supervisor: &Supervisor,
) -> Loop {
    let fatal = supervisor.crashed.clone();
    Loop::start("topology", TOPOLOGY_BOUND, supervisor, move |stop, heartbeat| async move {
        let mut as_defined = false;
        loop {
            if let Err(error) = client::check_server(&nats) {
                tracing::error!(%error, "this NATS server cannot be used");
                fatal.cancel();
                return;
            }
            let look = async {
                if as_defined {
                    for object in topology.restore(&jetstream).await? {
                        tracing::error!(object, "a NATS object was gone and was made again");
                    }
                } else {
                    // It has told what was not as it should be.
                    topology.reconcile(&jetstream).await?;
                }
                Ok::<_, civiclens_nats::reconcile::Error>(())
            };
            let pause = match heartbeat.step(TOPOLOGY_STEP, look).await {
                Ok(()) => {
                    as_defined = true;
                    TOPOLOGY_EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "NATS cannot be set up yet");
                    TOPOLOGY_RETRY
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    })
}

/// Measures what nobody else does, and keeps the metrics' memory bounded while nobody scrapes.
pub(super) fn keep_gauges(measured: Measured, supervisor: &Supervisor) -> anyhow::Result<Loop> {
    let metrics = start_metrics()?;
    Ok(Loop::start("gauges", GAUGES_BOUND, supervisor, move |stop, heartbeat| {
        measure(measured, metrics, stop, heartbeat)
    }))
}

async fn measure(measured: Measured, metrics: Metrics, stop: CancellationToken, heartbeat: Heartbeat) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(GAUGES_EVERY) => {}
        }
        metrics.upkeep();
        for (name, pool) in &measured.pools {
            pool.close_idle();
            let (size, idle) = pool.usage();
            metrics::gauge!("civiclens_pool_connections", "pool" => *name).set(count(size));
            metrics::gauge!("civiclens_pool_in_use", "pool" => *name).set(count(size.saturating_sub(idle)));
        }
        let look = async {
            let (outbox, consumers) = futures::join!(measured.outbox(), measured.consumers());
            outbox.and(consumers)
        };
        if let Err(error) = heartbeat.step(GAUGES_STEP, look).await {
            tracing::debug!(%error, "gauges could not be measured");
        }
    }
}

impl Measured {
    /// What cannot be measured is told as such (`NaN`): nobody may take what was true before for the truth.
    async fn outbox(&self) -> Result<(), String> {
        let lag = timeout(GAUGE, self.background_db.outbox_lag()).await;
        let told = lag.map_err(|late| late.to_string()).and_then(|lag| lag.map_err(|error| error.to_string()));
        let Ok((waiting, oldest)) = told else {
            metrics::gauge!("civiclens_outbox_waiting").set(f64::NAN);
            metrics::gauge!("civiclens_outbox_lag_seconds").set(f64::NAN);
            return told.map(drop);
        };
        let age = oldest.map_or(0, |oldest| (self.clock.now() - oldest).num_milliseconds().max(0));
        #[expect(clippy::cast_precision_loss, reason = "gauges")]
        let (waiting, seconds) = (waiting as f64, age as f64 / 1000.0);
        metrics::gauge!("civiclens_outbox_waiting").set(waiting);
        metrics::gauge!("civiclens_outbox_lag_seconds").set(seconds);
        Ok(())
    }

    async fn consumers(&self) -> Result<(), String> {
        let stream = self.subjects.stream(StreamKind::Notify);
        let mut outcome = Ok(());
        for channel in CHANNELS {
            let lag = timeout(GAUGE, consumer_lag(&self.jetstream, &stream, channel.as_str())).await;
            let lag = lag.map_err(|late| late.to_string()).and_then(|lag| lag.map_err(|error| error.to_string()));
            let waiting = match lag {
                Ok(lag) => f64::from(u32::try_from(lag.pending).unwrap_or(u32::MAX)),
                Err(error) => {
                    outcome = Err(error);
                    f64::NAN
                }
            };
            metrics::gauge!("civiclens_consumer_lag", "consumer" => channel.as_str()).set(waiting);
        }
        outcome
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge")]
fn count(connections: usize) -> f64 {
    connections as f64
}
