//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{flag, id, object, optional, text, time, word};
use crate::wire::{Described, Payload, millis};

/// Somebody has logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenedV1 {
    /// Who.
    pub user_id: i64,
    /// The session that was opened.
    pub session_id: i64,
    /// The role the session acts in.
    pub role: String,
    /// How they proved who they are: `otp`, `password`, …
    pub login_method: String,
    /// Whether this login created the account.
    pub is_new_user: bool,
    /// The device, as the client names it; absent when it does not.
    #[serde(default)]
    pub device: Option<String>,
    /// When.
    #[serde(with = "millis")]
    pub opened_at: DateTime<Utc>,
    /// Until when it can be refreshed at the latest.
    #[serde(with = "millis")]
    pub expires_at: DateTime<Utc>,
}

impl Payload for OpenedV1 {
    const NAME: &'static str = "session.opened";
    const VERSION: u16 = 1;
}

impl Described for OpenedV1 {
    const SUMMARY: &'static str = "Somebody has logged in.";

    fn schema() -> Value {
        object([
            ("user_id", id("Who logged in.")),
            ("session_id", id("The session that was opened.")),
            ("role", word("The role the session acts in.", &["citizen", "moderator"])),
            ("login_method", word("How the user proved who they are.", &["otp", "password"])),
            ("is_new_user", flag("Whether this login created the account.")),
            ("device", optional(text("The device, as the client names it."))),
            ("opened_at", time("When the session was opened.")),
            ("expires_at", time("Until when the session can be refreshed at the latest.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            session_id: 7001,
            role: "citizen".to_owned(),
            login_method: "otp".to_owned(),
            is_new_user: true,
            device: Some("Pixel 9".to_owned()),
            opened_at: DateTime::UNIX_EPOCH,
            expires_at: DateTime::UNIX_EPOCH + TimeDelta::days(30),
        }
    }
}

/// A session was ended before its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedV1 {
    /// Whose.
    pub user_id: i64,
    /// The session that ended.
    pub session_id: i64,
    /// Why: `logout`, `suspended`, …
    pub reason: String,
    /// When.
    #[serde(with = "millis")]
    pub revoked_at: DateTime<Utc>,
}

impl Payload for RevokedV1 {
    const NAME: &'static str = "session.revoked";
    const VERSION: u16 = 1;
}

impl Described for RevokedV1 {
    const SUMMARY: &'static str = "A session was ended before its time.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose session it was.")),
            ("session_id", id("The session that ended.")),
            ("reason", word("Why it ended.", &["logout", "suspended"])),
            ("revoked_at", time("When it ended.")),
        ])
    }

    fn example() -> Self {
        Self { user_id: 42, session_id: 7001, reason: "logout".to_owned(), revoked_at: DateTime::UNIX_EPOCH }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opened_is_frozen() {
        crate::testing::frozen::<OpenedV1>();
    }

    #[test]
    fn revoked_is_frozen() {
        crate::testing::frozen::<RevokedV1>();
    }
}
