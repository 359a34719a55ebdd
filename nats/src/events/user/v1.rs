//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{id, object, time, word};
use crate::wire::{Described, Payload, millis};

/// A person has an account from now on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredV1 {
    /// Who.
    pub user_id: i64,
    /// The role the account starts with, such as `citizen`.
    pub role: String,
    /// What created the account: `otp`, `admin`, …
    pub account_created_via: String,
    /// The language to write to them in, such as `en`.
    pub preferred_language: String,
    /// When.
    #[serde(with = "millis")]
    pub registered_at: DateTime<Utc>,
}

impl Payload for RegisteredV1 {
    const NAME: &'static str = "user.registered";
    const VERSION: u16 = 1;
}

impl Described for RegisteredV1 {
    const SUMMARY: &'static str = "A person has an account from now on.";

    fn schema() -> Value {
        object([
            ("user_id", id("The new user.")),
            ("role", word("The role the account starts with.", &["citizen", "admin"])),
            ("account_created_via", word("What created the account.", &["otp", "admin"])),
            ("preferred_language", word("The language to write to the user in.", &["en", "hi"])),
            ("registered_at", time("When the account was created.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            role: "citizen".to_owned(),
            account_created_via: "otp".to_owned(),
            preferred_language: "en".to_owned(),
            registered_at: DateTime::UNIX_EPOCH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registered_is_frozen() {
        crate::testing::frozen::<RegisteredV1>();
    }
}
