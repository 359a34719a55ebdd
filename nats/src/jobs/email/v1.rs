//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{object, optional, text, texts, time, word};
use crate::wire::{Described, Payload, millis};

/// An e-mail to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailJobV1 {
    /// To which address.
    pub to: String,
    /// Which message, such as `password_reset`.
    pub template: String,
    /// In which language; the template's default when absent.
    #[serde(default)]
    pub language: Option<String>,
    /// The secret the message carries, such as a reset token, encrypted for the worker. Opaque here.
    #[serde(default)]
    pub sealed: Option<String>,
    /// What the template needs besides, nothing of it secret.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// After when it is no longer worth sending.
    #[serde(default, with = "millis::option")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Shows neither the address nor any parameter: jobs end up in logs by accident.
impl fmt::Debug for EmailJobV1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailJobV1")
            .field("to", &"[redacted]")
            .field("template", &self.template)
            .field("language", &self.language)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Payload for EmailJobV1 {
    const NAME: &'static str = "notify.email";
    const VERSION: u16 = 1;
}

impl Described for EmailJobV1 {
    const SUMMARY: &'static str = "An e-mail is to be sent.";

    fn schema() -> Value {
        let mut to = text("The address to send to.");
        to["format"] = Value::from("email");
        let templates = [
            "password_reset",
            "invitation",
            "new_device",
            "password_changed",
            "two_factor_changed",
            "account_locked",
            "refresh_reused",
        ];
        object([
            ("to", to),
            ("template", word("Which message to send.", &templates)),
            ("language", optional(text("The language to write in."))),
            ("sealed", optional(text("The secret parameter, encrypted for the worker; opaque to everyone else."))),
            ("params", optional(texts("The other parameters of the template."))),
            ("expires_at", optional(time("After when the message is no longer worth sending."))),
        ])
    }

    fn example() -> Self {
        Self {
            to: "asha@example.org".to_owned(),
            template: "password_reset".to_owned(),
            language: Some("hi".to_owned()),
            sealed: Some("v1.k1.c2VhbGVk".to_owned()),
            params: BTreeMap::from([("time".to_owned(), "1970-01-01T00:00:00.000Z".to_owned())]),
            expires_at: Some(DateTime::UNIX_EPOCH + TimeDelta::minutes(15)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn email_job_is_frozen() {
        crate::testing::frozen::<EmailJobV1>();
    }

    #[test]
    fn debug_shows_neither_address_nor_parameters() {
        let shown = format!("{:?}", EmailJobV1::example());
        assert!(!shown.contains("asha") && !shown.contains("v1.k1") && !shown.contains("time\""), "{shown}");
    }
}
