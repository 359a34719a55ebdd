//! What could not be delivered, kept with why, so that somebody can look at it and send it again.
//!
//! A dead letter holds the whole message as it was; a secret in it stays sealed. It has the message's id with `.dead`
//! behind it, so that a worker which dies between writing it and letting go of the message does not write it twice.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::publish::{Error, Published, Publisher, headers};
use crate::schema::{object, text, time, word};
use crate::subjects::Channel;
use crate::wire::millis;

/// The header with the stable code of what went wrong.
pub const REASON: &str = "Civiclens-Reason";
/// The header with the subject the message was on.
pub const ORIGINAL_SUBJECT: &str = "Civiclens-Original-Subject";
/// The header with how often the message was delivered.
pub const ATTEMPTS: &str = "Civiclens-Attempts";

const CONTENT_TYPE: &str = "application/json";

/// How [`DeadLetter::message`] holds the original bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// The message was JSON and stands there as it is.
    Json,
    /// It was not, and stands there as base64 text.
    Base64,
}

/// The body of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// What went wrong, as a stable code.
    pub code: String,
    /// What went wrong, in words.
    pub reason: String,
    /// How often the message was delivered.
    pub attempts: u64,
    /// When it was given up.
    #[serde(with = "millis")]
    pub failed_at: DateTime<Utc>,
    /// The subject it was on.
    pub subject: String,
    /// How `message` is to be read.
    pub encoding: Encoding,
    /// The message as it was.
    pub message: Value,
}

impl DeadLetter {
    /// Wraps the bytes of a message that is given up.
    pub fn new(
        code: String,
        reason: String,
        attempts: u64,
        failed_at: DateTime<Utc>,
        subject: String,
        body: &[u8],
    ) -> Self {
        let (encoding, message) = match serde_json::from_slice(body) {
            Ok(json) => (Encoding::Json, json),
            Err(_) => (Encoding::Base64, Value::String(STANDARD.encode(body))),
        };
        Self { code, reason, attempts, failed_at: millis::truncate(failed_at), subject, encoding, message }
    }

    /// The JSON schema of a dead letter.
    pub(crate) fn schema() -> Value {
        let attempts = json!({ "type": "integer", "minimum": 1, "description": "How often it was delivered." });
        let message = json!({ "description": "The message as it was: JSON, or base64 text if it was not JSON." });
        object([
            ("code", word("What went wrong.", &["attempts_exhausted", "unknown_version"])),
            ("reason", text("What went wrong, in words.")),
            ("attempts", attempts),
            ("failed_at", time("When it was given up.")),
            ("subject", text("The subject it was on.")),
            (
                "encoding",
                json!({ "type": "string", "enum": ["json", "base64"], "description": "How to read `message`." }),
            ),
            ("message", message),
        ])
    }
}

/// Where a worker puts what it gives up.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    publisher: Publisher,
    subject: String,
}

impl DeadLetters {
    /// The dead letters of a channel.
    pub fn new(publisher: Publisher, channel: Channel) -> Self {
        let subject = publisher.subjects().notify_dead(channel);
        Self { publisher, subject }
    }

    /// Writes a dead letter for the message called `id`.
    ///
    /// # Errors
    /// An [`Error`] when it was not, or perhaps not, written: keep the message.
    pub async fn publish(&self, id: &str, letter: &DeadLetter) -> Result<Published, Error> {
        let mut headers = headers(&format!("{id}.dead"), CONTENT_TYPE, None);
        let attempts = letter.attempts.to_string();
        for (name, value) in [(REASON, &letter.code), (ORIGINAL_SUBJECT, &letter.subject), (ATTEMPTS, &attempts)] {
            if let Ok(value) = value.parse::<async_nats::HeaderValue>() {
                headers.insert(name, value);
            }
        }
        self.publisher.send(self.subject.clone(), headers, serde_json::to_vec(letter)?).await
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn letter(body: &[u8]) -> DeadLetter {
        let (code, reason) = ("bad_number".to_owned(), "The number does not exist".to_owned());
        DeadLetter::new(code, reason, 3, DateTime::UNIX_EPOCH, "civiclens.notify.sms".to_owned(), body)
    }

    #[test]
    fn keeps_the_message_as_it_was() {
        insta::assert_snapshot!(serde_json::to_string_pretty(&letter(br#"{"id":1}"#)).unwrap(), @r#"
        {
          "code": "bad_number",
          "reason": "The number does not exist",
          "attempts": 3,
          "failed_at": "1970-01-01T00:00:00.000Z",
          "subject": "civiclens.notify.sms",
          "encoding": "json",
          "message": {
            "id": 1
          }
        }
        "#);
    }

    #[test]
    fn keeps_even_what_is_not_json() {
        let kept = letter(b"\xff\x00");
        assert_eq!((kept.encoding, kept.message.as_str()), (Encoding::Base64, Some("/wA=")));
        crate::testing::fits(&serde_json::to_value(&kept).unwrap(), &DeadLetter::schema());
    }
}
