//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{object, optional, text, texts, time, word};
use crate::wire::{Described, Payload, millis};

/// A text message to send.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmsJobV1 {
    /// To which number, in E.164.
    pub to: String,
    /// Which message, such as `login_code`.
    pub template: String,
    /// In which language; the template's default when absent.
    #[serde(default)]
    pub language: Option<String>,
    /// The secret the message carries, such as a code, encrypted for the worker. Opaque here.
    #[serde(default)]
    pub sealed: Option<String>,
    /// What the template needs besides, nothing of it secret.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// After when it is no longer worth sending.
    #[serde(default, with = "millis::option")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Shows neither the number nor any parameter: jobs end up in logs by accident.
impl fmt::Debug for SmsJobV1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SmsJobV1")
            .field("to", &"[redacted]")
            .field("template", &self.template)
            .field("language", &self.language)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

impl Payload for SmsJobV1 {
    const NAME: &'static str = "notify.sms";
    const VERSION: u16 = 1;
}

impl Described for SmsJobV1 {
    const SUMMARY: &'static str = "A text message is to be sent.";

    fn schema() -> Value {
        let mut to = text("The number to send to, in E.164.");
        to["pattern"] = Value::from(r"^\+[1-9][0-9]{1,14}$");
        let templates = [
            "login_code",
            "verify_phone_code",
            "reset_code",
            "second_factor_code",
            "password_changed",
            "two_factor_changed",
            "account_locked",
            "signup_contested",
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
            to: "+919800000001".to_owned(),
            template: "login_code".to_owned(),
            language: Some("hi".to_owned()),
            sealed: Some("v1.k1.c2VhbGVk".to_owned()),
            params: BTreeMap::from([("minutes".to_owned(), "5".to_owned())]),
            expires_at: Some(DateTime::UNIX_EPOCH + TimeDelta::minutes(5)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sms_job_is_frozen() {
        crate::testing::frozen::<SmsJobV1>();
    }

    #[test]
    fn debug_shows_neither_number_nor_parameters() {
        let shown = format!("{:?}", SmsJobV1::example());
        assert!(!shown.contains("98000") && !shown.contains("v1.k1") && !shown.contains("minutes"), "{shown}");
    }
}
