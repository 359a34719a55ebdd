//! What each of our streams keeps, for how long, and what happens when it is full.
//!
//! Every stream lies in files and forgets duplicates after ten minutes, which is longer than any publisher of ours goes
//! on retrying one message without reading its state again.
//!
//! Bounds: jobs and dead letters are bounded in bytes, so that a broken provider cannot fill the disk that events lie
//! on. A full job stream refuses new jobs (the caller is told); a full dead letter stream lets go of the oldest. Events
//! and activities are bounded by age, and by the disk limit of the server (`server.conf`): then it refuses new ones,
//! which wait in the outbox.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};

use crate::subjects::{StreamKind, Subjects};

/// For how long a second publication with the same id is recognised as one.
pub const DUPLICATE_WINDOW: Duration = Duration::from_mins(10);

const DAY: Duration = Duration::from_hours(24);
const MIB: i64 = 1024 * 1024;
/// Roughly half a million jobs.
const NOTIFY_BYTES: i64 = 512 * MIB;
const NOTIFY_DEAD_BYTES: i64 = 256 * MIB;
const UNBOUNDED: i64 = -1;

/// How we want a stream to be.
pub fn definition(subjects: &Subjects, kind: StreamKind, replicas: usize) -> Config {
    Config {
        name: subjects.stream(kind),
        description: Some(description(kind).to_owned()),
        subjects: vec![captured(subjects, kind)],
        retention: match kind {
            StreamKind::Notify => RetentionPolicy::WorkQueue,
            StreamKind::Events | StreamKind::NotifyDead | StreamKind::Activity => RetentionPolicy::Limits,
        },
        discard: match kind {
            StreamKind::Notify => DiscardPolicy::New,
            StreamKind::Events | StreamKind::NotifyDead | StreamKind::Activity => DiscardPolicy::Old,
        },
        max_age: match kind {
            StreamKind::Events | StreamKind::NotifyDead => 30 * DAY,
            StreamKind::Notify | StreamKind::Activity => 7 * DAY,
        },
        max_bytes: match kind {
            StreamKind::Notify => NOTIFY_BYTES,
            StreamKind::NotifyDead => NOTIFY_DEAD_BYTES,
            StreamKind::Events | StreamKind::Activity => UNBOUNDED,
        },
        duplicate_window: DUPLICATE_WINDOW,
        storage: StorageType::File,
        num_replicas: replicas.max(1),
        ..Config::default()
    }
}

/// The subjects a stream keeps.
pub(crate) fn captured(subjects: &Subjects, kind: StreamKind) -> String {
    match kind {
        StreamKind::Events => subjects.events_all(),
        StreamKind::Notify => subjects.notify_all(),
        StreamKind::NotifyDead => subjects.notify_dead_all(),
        StreamKind::Activity => subjects.activity_all(),
    }
}

fn description(kind: StreamKind) -> &'static str {
    match kind {
        StreamKind::Events => "What happened in CivicLens Identity, for other services",
        StreamKind::Notify => "Jobs for the notification workers",
        StreamKind::NotifyDead => "Notification jobs that could not be done, with why",
        StreamKind::Activity => "What citizens did in other services, for reputation",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definitions_are_the_contract() {
        let shown: Vec<String> = StreamKind::ALL
            .into_iter()
            .map(|kind| {
                let config = definition(&Subjects::default(), kind, 3);
                let days = config.max_age.as_secs() / 86_400;
                format!(
                    "{} {:?} {:?} discard {:?} {days}d {} bytes x{}",
                    config.name,
                    config.subjects,
                    config.retention,
                    config.discard,
                    config.max_bytes,
                    config.num_replicas
                )
            })
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        CIVICLENS_EVENTS ["civiclens.event.>"] Limits discard Old 30d -1 bytes x3
        CIVICLENS_NOTIFY ["civiclens.notify.*"] WorkQueue discard New 7d 536870912 bytes x3
        CIVICLENS_NOTIFY_DEAD ["civiclens.notify_dead.>"] Limits discard Old 30d 268435456 bytes x3
        CIVICLENS_ACTIVITY ["civiclens.activity.*"] Limits discard Old 7d -1 bytes x3
        "#);
    }
}
