//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{id, list, object, time};
use crate::wire::{Described, Payload, millis};

/// Sessions that must be refused from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationV1 {
    /// Whose.
    pub user_id: i64,
    /// The sessions that ended.
    pub session_ids: Vec<i64>,
    /// When.
    #[serde(with = "millis")]
    pub revoked_at: DateTime<Utc>,
    /// Until when a node must remember it: the last of their access tokens has expired by then.
    #[serde(with = "millis")]
    pub keep_until: DateTime<Utc>,
}

impl Payload for RevocationV1 {
    const NAME: &'static str = "broadcast.revocation";
    const VERSION: u16 = 1;
}

impl Described for RevocationV1 {
    const SUMMARY: &'static str = "Sessions must be refused by every node from now on.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose sessions they are.")),
            ("session_ids", list("The sessions that ended.", &id("A session."))),
            ("revoked_at", time("When they ended.")),
            ("keep_until", time("Until when a node must remember it.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            session_ids: vec![7001, 7002],
            revoked_at: DateTime::UNIX_EPOCH,
            keep_until: DateTime::UNIX_EPOCH + TimeDelta::minutes(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocation_is_frozen() {
        crate::testing::frozen::<RevocationV1>();
    }
}
