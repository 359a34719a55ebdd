//! The durable consumers: one per notification channel, each on its own subject of the job stream.
//!
//! A work-queue stream permits one consumer per subject, so all workers of a channel share one, whatever the replicas.
//! Bound: [`MAX_ACK_PENDING`] jobs in the hands of the workers or waiting out a back-off; then the server holds back.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};

use crate::subjects::{Channel, Subjects};

/// How long a worker may be silent about a job before another one gets it.
pub const ACK_WAIT: Duration = Duration::from_secs(30);
/// How many jobs of a channel may be unacknowledged at a time.
pub const MAX_ACK_PENDING: i64 = 256;
/// After how many deliveries a worker gives a job up, unless configured otherwise.
pub const DEFAULT_MAX_DELIVER: u64 = 8;

/// How we want a channel's consumer to be. It is called what the channel is called.
///
/// The server is told to deliver without end. If it counted, a job whose last delivery ended with a killed worker would
/// stay in the stream, delivered to nobody and reported to nobody. So the worker counts, and a job that comes once too
/// often goes to the dead letters.
pub fn definition(subjects: &Subjects, channel: Channel) -> pull::Config {
    pull::Config {
        durable_name: Some(name(channel)),
        description: Some(format!("The {channel} workers")),
        filter_subject: subjects.notify(channel),
        deliver_policy: DeliverPolicy::All,
        replay_policy: ReplayPolicy::Instant,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        ..pull::Config::default()
    }
}

/// What a channel's consumer is called.
pub fn name(channel: Channel) -> String {
    channel.as_str().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_sees_its_own_jobs_and_the_server_does_not_count() {
        let config = definition(&Subjects::default(), Channel::Email);
        assert_eq!(config.durable_name.as_deref(), Some("email"));
        assert_eq!(config.filter_subject, "civiclens.notify.email");
        assert_eq!(config.max_deliver, -1);
    }
}
