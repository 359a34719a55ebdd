//! Which fields of an object differ from our definition, and the object as it should be.

use std::fmt::Debug;

use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::Config;

/// The differing fields as `field: wanted …, found …`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// What an update can change.
    pub(super) mendable: Vec<String>,
    /// What the server keeps for as long as the object lives.
    pub(super) fixed: Vec<String>,
}

impl Differences {
    /// Compares one field, and takes our value over.
    fn mend<T: PartialEq + Debug + Clone>(&mut self, field: &str, wanted: &T, found: &mut T) {
        if wanted != found {
            self.mendable.push(line(field, wanted, found));
            found.clone_from(wanted);
        }
    }

    /// Compares one field that must stay as it is, because an update that names another value is refused as a whole.
    fn keep<T: PartialEq + Debug>(&mut self, field: &str, wanted: &T, found: &T) {
        if wanted != found {
            self.fixed.push(line(field, wanted, found));
        }
    }
}

fn line<T: Debug>(field: &str, wanted: &T, found: &T) -> String {
    format!("{field}: wanted {wanted:?}, found {found:?}")
}

/// Compares every field that [`crate::streams::definition`] sets. Returns `found` with our values in it.
pub(super) fn streams(wanted: &Config, mut found: Config) -> (Config, Differences) {
    let mut differences = Differences::default();
    differences.mend("description", &wanted.description, &mut found.description);
    differences.mend("subjects", &wanted.subjects, &mut found.subjects);
    differences.mend("discard", &wanted.discard, &mut found.discard);
    differences.mend("max_age", &wanted.max_age, &mut found.max_age);
    differences.mend("max_bytes", &wanted.max_bytes, &mut found.max_bytes);
    differences.mend("duplicate_window", &wanted.duplicate_window, &mut found.duplicate_window);
    differences.mend("num_replicas", &wanted.num_replicas, &mut found.num_replicas);
    differences.keep("retention", &wanted.retention, &found.retention);
    differences.keep("storage", &wanted.storage, &found.storage);
    (found, differences)
}

/// Compares every field that [`crate::consumers::definition`] sets. Returns `found` with our values in it.
pub(super) fn consumers(wanted: &pull::Config, mut found: pull::Config) -> (pull::Config, Differences) {
    let mut differences = Differences::default();
    differences.mend("description", &wanted.description, &mut found.description);
    differences.mend("filter_subject", &wanted.filter_subject, &mut found.filter_subject);
    differences.mend("filter_subjects", &wanted.filter_subjects, &mut found.filter_subjects);
    differences.mend("ack_wait", &wanted.ack_wait, &mut found.ack_wait);
    differences.mend("max_deliver", &wanted.max_deliver, &mut found.max_deliver);
    differences.mend("max_ack_pending", &wanted.max_ack_pending, &mut found.max_ack_pending);
    differences.keep("deliver_policy", &wanted.deliver_policy, &found.deliver_policy);
    differences.keep("ack_policy", &wanted.ack_policy, &found.ack_policy);
    differences.keep("replay_policy", &wanted.replay_policy, &found.replay_policy);
    (found, differences)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use async_nats::jetstream::stream::{RetentionPolicy, StorageType};

    use super::*;
    use crate::subjects::{Channel, StreamKind, Subjects};

    #[test]
    fn an_object_as_defined_does_not_differ() {
        for kind in StreamKind::ALL {
            let wanted = crate::streams::definition(&Subjects::default(), kind, 1);
            assert_eq!(streams(&wanted, wanted.clone()).1, Differences::default());
        }
        for channel in Channel::ALL {
            let wanted = crate::consumers::definition(&Subjects::default(), channel);
            assert_eq!(consumers(&wanted, wanted.clone()).1, Differences::default());
        }
    }

    #[test]
    fn what_differs_is_named_and_our_values_are_taken_over() {
        let wanted = crate::streams::definition(&Subjects::default(), StreamKind::Notify, 1);
        let mut found = wanted.clone();
        found.max_bytes = -1;
        found.max_age = Duration::from_secs(1);
        let (merged, differences) = streams(&wanted, found);
        assert_eq!(merged, wanted);
        assert_eq!(differences.fixed, Vec::<String>::new());
        assert_eq!(
            differences.mendable,
            ["max_age: wanted 604800s, found 1s", "max_bytes: wanted 536870912, found -1",]
        );
    }

    #[test]
    fn what_cannot_be_changed_stays_and_is_told() {
        let wanted = crate::streams::definition(&Subjects::default(), StreamKind::Notify, 1);
        let found = Config { retention: RetentionPolicy::Limits, storage: StorageType::Memory, ..wanted.clone() };
        let (merged, differences) = streams(&wanted, found.clone());
        assert_eq!(merged, found);
        assert_eq!(differences.mendable, Vec::<String>::new());
        assert_eq!(differences.fixed.len(), 2);
    }

    #[test]
    fn what_the_operator_set_is_left_alone() {
        let wanted = crate::streams::definition(&Subjects::default(), StreamKind::Events, 1);
        let found = Config { max_message_size: 4096, ..wanted.clone() };
        assert_eq!(streams(&wanted, found.clone()), (found, Differences::default()));
    }
}
