//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{id, object, time, word};
use crate::wire::{Described, Payload, millis};

/// Somebody tried to log in to an existing account and failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginFailedV1 {
    /// Whose account.
    pub user_id: i64,
    /// How they tried: `otp`, `password`, …
    pub method: String,
    /// Why it failed: `wrong_code`, `locked`, …
    pub reason: String,
    /// When.
    #[serde(with = "millis")]
    pub failed_at: DateTime<Utc>,
}

impl Payload for LoginFailedV1 {
    const NAME: &'static str = "security.login_failed";
    const VERSION: u16 = 1;
}

impl Described for LoginFailedV1 {
    const SUMMARY: &'static str = "Somebody tried to log in to an existing account and failed.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose account it is.")),
            ("method", word("How the login was tried.", &["otp", "password"])),
            ("reason", word("Why it failed.", &["wrong_code", "wrong_password", "locked"])),
            ("failed_at", time("When it failed.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            method: "password".to_owned(),
            reason: "wrong_password".to_owned(),
            failed_at: DateTime::UNIX_EPOCH,
        }
    }
}

/// An account refuses logins for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLockedV1 {
    /// Whose account.
    pub user_id: i64,
    /// Why: `too_many_attempts`, …
    pub reason: String,
    /// Since when.
    #[serde(with = "millis")]
    pub locked_at: DateTime<Utc>,
    /// Until when.
    #[serde(with = "millis")]
    pub locked_until: DateTime<Utc>,
}

impl Payload for AccountLockedV1 {
    const NAME: &'static str = "security.account_locked";
    const VERSION: u16 = 1;
}

impl Described for AccountLockedV1 {
    const SUMMARY: &'static str = "An account refuses logins for a while.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose account it is.")),
            ("reason", word("Why it is locked.", &["too_many_attempts"])),
            ("locked_at", time("Since when it is locked.")),
            ("locked_until", time("Until when it is locked.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            reason: "too_many_attempts".to_owned(),
            locked_at: DateTime::UNIX_EPOCH,
            locked_until: DateTime::UNIX_EPOCH + TimeDelta::minutes(15),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_failed_is_frozen() {
        crate::testing::frozen::<LoginFailedV1>();
    }

    #[test]
    fn account_locked_is_frozen() {
        crate::testing::frozen::<AccountLockedV1>();
    }
}
