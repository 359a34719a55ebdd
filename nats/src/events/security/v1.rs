//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{id, int, object, optional, text, time, word};
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

/// An authenticator failed too often in a row: it is off until its owner sets it anew by another way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthenticatorOffV1 {
    /// Whose it is.
    pub user_id: i64,
    /// Which: `password`, `totp`, `sms` or `backup_code`.
    pub authenticator: String,
    /// How often it failed in a row.
    pub failures: u32,
    /// Since when it is off.
    #[serde(with = "millis")]
    pub off_since: DateTime<Utc>,
}

impl Payload for AuthenticatorOffV1 {
    const NAME: &'static str = "security.authenticator_off";
    const VERSION: u16 = 1;
}

impl Described for AuthenticatorOffV1 {
    const SUMMARY: &'static str = "An authenticator failed too often in a row and is off until it is set anew.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose it is.")),
            ("authenticator", word("Which it is.", &["password", "totp", "sms", "backup_code"])),
            ("failures", int("How often it failed in a row.")),
            ("off_since", time("Since when it is off.")),
        ])
    }

    fn example() -> Self {
        Self { user_id: 42, authenticator: "password".to_owned(), failures: 100, off_since: DateTime::UNIX_EPOCH }
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

/// A refresh token came whose successor was used already: two hold tokens of one session. The session has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshReusedV1 {
    /// Whose session.
    pub user_id: i64,
    /// The session that was ended for it.
    pub session_id: i64,
    /// When.
    #[serde(with = "millis")]
    pub detected_at: DateTime<Utc>,
}

impl Payload for RefreshReusedV1 {
    const NAME: &'static str = "security.refresh_reused";
    const VERSION: u16 = 1;
}

impl Described for RefreshReusedV1 {
    const SUMMARY: &'static str = "A used refresh token came again, and its session was ended.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose session it was.")),
            ("session_id", id("The session that was ended for it.")),
            ("detected_at", time("When the token came.")),
        ])
    }

    fn example() -> Self {
        Self { user_id: 42, session_id: 7001, detected_at: DateTime::UNIX_EPOCH }
    }
}

/// The second factor of an account is another one, or has other backup codes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoFactorChangedV1 {
    /// Whose account.
    pub user_id: i64,
    /// What changed: `enabled`, `disabled`, `backup_codes`, …
    pub change: String,
    /// The factor it is about: `totp`, `sms`, …; absent when it is about none in particular.
    #[serde(default)]
    pub method: Option<String>,
    /// When.
    #[serde(with = "millis")]
    pub changed_at: DateTime<Utc>,
}

impl Payload for TwoFactorChangedV1 {
    const NAME: &'static str = "security.two_factor_changed";
    const VERSION: u16 = 1;
}

impl Described for TwoFactorChangedV1 {
    const SUMMARY: &'static str = "The second factor of an account was changed.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose account it is.")),
            ("change", word("What changed.", &["enabled", "disabled", "backup_codes"])),
            ("method", optional(word("The factor it is about.", &["totp", "sms"]))),
            ("changed_at", time("When it changed.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            change: "enabled".to_owned(),
            method: Some("totp".to_owned()),
            changed_at: DateTime::UNIX_EPOCH,
        }
    }
}

/// An account has another password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordChangedV1 {
    /// Whose account.
    pub user_id: i64,
    /// How: `change` by who knew the old one, `reset` by who did not, …
    pub via: String,
    /// When.
    #[serde(with = "millis")]
    pub changed_at: DateTime<Utc>,
}

impl Payload for PasswordChangedV1 {
    const NAME: &'static str = "security.password_changed";
    const VERSION: u16 = 1;
}

impl Described for PasswordChangedV1 {
    const SUMMARY: &'static str = "The password of an account was changed.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose account it is.")),
            ("via", word("How it was changed.", &["change", "reset", "invitation"])),
            ("changed_at", time("When it was changed.")),
        ])
    }

    fn example() -> Self {
        Self { user_id: 42, via: "reset".to_owned(), changed_at: DateTime::UNIX_EPOCH }
    }
}

/// Somebody has logged in from a device that the account had not been used from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewDeviceV1 {
    /// Whose account.
    pub user_id: i64,
    /// The session that was opened.
    pub session_id: i64,
    /// The device, as its owner would call it; absent when nothing is known of it.
    #[serde(default)]
    pub device: Option<String>,
    /// When.
    #[serde(with = "millis")]
    pub seen_at: DateTime<Utc>,
}

impl Payload for NewDeviceV1 {
    const NAME: &'static str = "security.new_device";
    const VERSION: u16 = 1;
}

impl Described for NewDeviceV1 {
    const SUMMARY: &'static str = "Somebody has logged in from a device that is new to the account.";

    fn schema() -> Value {
        object([
            ("user_id", id("Whose account it is.")),
            ("session_id", id("The session that was opened.")),
            ("device", optional(text("The device, as its owner would call it."))),
            ("seen_at", time("When the login was.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 42,
            session_id: 7001,
            device: Some("Chrome on Android".to_owned()),
            seen_at: DateTime::UNIX_EPOCH,
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
    #[test]
    fn authenticator_off_is_frozen() {
        crate::testing::frozen::<AuthenticatorOffV1>();
    }
    #[test]
    fn refresh_reused_is_frozen() {
        crate::testing::frozen::<RefreshReusedV1>();
    }

    #[test]
    fn two_factor_changed_is_frozen() {
        crate::testing::frozen::<TwoFactorChangedV1>();
    }

    #[test]
    fn password_changed_is_frozen() {
        crate::testing::frozen::<PasswordChangedV1>();
    }

    #[test]
    fn new_device_is_frozen() {
        crate::testing::frozen::<NewDeviceV1>();
    }
}
