//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v3.rs` beside this file.
//!
//! Version 2 can also end every token of a user at once: a node that read it as version 1 would go on accepting them.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{id, int, list, object, optional, time};
use crate::wire::{Described, Payload, millis};

/// Sessions, or all earlier tokens of a user, that must be refused from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationV2 {
    /// Whose.
    pub user_id: i64,
    /// The sessions that ended; none when only the epoch changed.
    pub session_ids: Vec<i64>,
    /// The user's present token epoch: tokens of earlier epochs are refused. Absent when it did not change.
    #[serde(default)]
    pub token_epoch: Option<i32>,
    /// When.
    #[serde(with = "millis")]
    pub revoked_at: DateTime<Utc>,
    /// Until when a node must remember it: the last of the access tokens concerned has expired by then.
    #[serde(with = "millis")]
    pub keep_until: DateTime<Utc>,
}

impl Payload for RevocationV2 {
    const NAME: &'static str = "broadcast.revocation";
    const VERSION: u16 = 2;
}

impl Described for RevocationV2 {
    const SUMMARY: &'static str = "Sessions, or tokens of earlier epochs, must be refused by every node from now on.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose sessions and tokens they are.")),
            ("session_ids", list("The sessions that ended.", &id("A session."))),
            ("token_epoch", optional(int("Tokens of earlier epochs of the user are refused."))),
            ("revoked_at", time("When they ended.")),
            ("keep_until", time("Until when a node must remember it.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            session_ids: vec![7001, 7002],
            token_epoch: Some(3),
            revoked_at: DateTime::UNIX_EPOCH,
            keep_until: DateTime::UNIX_EPOCH + TimeDelta::hours(24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revocation_is_frozen() {
        crate::testing::frozen::<RevocationV2>();
    }
}
