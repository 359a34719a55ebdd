//! The envelope every message of ours travels in: `CloudEvents` 1.0, structured JSON mode.
//!
//! It owns the names that `CloudEvents` gives to the parts and the rule that ties `type` to a payload and its version.
//! Reading is strict about what decides how `data` is read (`specversion`, `type`) and lenient about the rest, so that
//! a publisher may add attributes. What cannot be read gives a [`DecodeError`], and none of them gets better by retrying.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::wire::{Payload, millis};

/// The `source` of everything this service publishes.
pub const SOURCE: &str = "/civiclens/identity";
/// The content type of a message body, as its `Content-Type` header.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

const SPEC_VERSION: &str = "1.0";
const DATA_CONTENT_TYPE: &str = "application/json";
const TYPE_PREFIX: &str = "in.civiclens.identity.";

/// Why a message could not be read. All of them are permanent: the bytes will not change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The body is not JSON.
    #[error("the message is not JSON")]
    NotJson,
    /// The body is JSON but lacks what a `CloudEvents` 1.0 message must have.
    #[error("the message is not a CloudEvents 1.0 message: {0}")]
    NotCloudEvent(String),
    /// A message of another kind, on a subject where it does not belong.
    #[error("expected a message of type {expected}, found {found}")]
    WrongType {
        /// The `type` that was asked for.
        expected: String,
        /// The `type` of the message.
        found: String,
    },
    /// The right kind, in a version that this build does not know.
    #[error("{name} is known in version {known}, found {found}")]
    UnknownVersion {
        /// The payload's name.
        name: &'static str,
        /// The version this build reads.
        known: u16,
        /// The `type` of the message.
        found: String,
    },
    /// The `data` does not fit the payload.
    #[error("the data of the message does not fit its type: {0}")]
    BadData(String),
}

impl DecodeError {
    /// A stable code for dead letters and dashboards.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson => "not_json",
            Self::NotCloudEvent(_) => "not_cloud_event",
            Self::WrongType { .. } => "wrong_type",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::BadData(_) => "bad_data",
        }
    }
}

/// A payload with what must be known to route, trace and de-duplicate it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope<T> {
    /// The message's identity: the same for every delivery and every re-publication of one fact.
    pub id: Uuid,
    /// Who says so. [`SOURCE`] for this service.
    pub source: String,
    /// Whom it is about: the user's id, for everything this service publishes.
    pub subject: String,
    /// When it happened. Carried with millisecond precision.
    pub time: DateTime<Utc>,
    /// The request that led to it, to follow one action through the logs of several services.
    pub request_id: Option<String>,
    /// What happened.
    pub data: T,
}

#[derive(Serialize)]
struct Outgoing<'a, T> {
    specversion: &'static str,
    id: Uuid,
    source: &'a str,
    r#type: String,
    subject: &'a str,
    #[serde(with = "millis")]
    time: DateTime<Utc>,
    datacontenttype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    requestid: Option<&'a str>,
    data: &'a T,
}

#[derive(Deserialize)]
struct Incoming {
    specversion: String,
    id: Uuid,
    source: String,
    r#type: String,
    #[serde(default)]
    subject: String,
    time: DateTime<Utc>,
    #[serde(default)]
    requestid: Option<String>,
    data: Value,
}

/// The `CloudEvents` type of a payload: `in.civiclens.identity.<name>.v<version>`.
pub fn type_of<T: Payload>() -> String {
    format!("{TYPE_PREFIX}{}.v{}", T::NAME, T::VERSION)
}

impl<T: Payload> Envelope<T> {
    /// An envelope from this service, with no request behind it.
    ///
    /// The `time` is cut to the millisecond, as it will be on the wire, so that what is read back equals what was made.
    #[expect(clippy::needless_pass_by_value, reason = "a caller passes an id or a text it is done with")]
    pub fn new(id: Uuid, time: DateTime<Utc>, subject: impl ToString, data: T) -> Self {
        Self {
            id,
            source: SOURCE.to_owned(),
            subject: subject.to_string(),
            time: millis::truncate(time),
            request_id: None,
            data,
        }
    }

    /// Says which request led to this message.
    pub fn with_request_id(self, request_id: Option<String>) -> Self {
        Self { request_id, ..self }
    }

    /// The message as JSON, with the attributes in a fixed order.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.outgoing())
    }

    /// The same as the bytes that go over the wire.
    pub fn to_vec(&self) -> serde_json::Result<Vec<u8>> {
        self.to_text().map(String::into_bytes)
    }

    /// Reads a message.
    ///
    /// Attributes and fields that are not known are ignored: a newer publisher may have added them.
    ///
    /// # Errors
    /// A [`DecodeError`] that says what is wrong with the bytes; reading them again will not help.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, DecodeError> {
        let read: Incoming = serde_json::from_slice(bytes).map_err(|error| {
            if error.is_data() { DecodeError::NotCloudEvent(without_values(&error)) } else { DecodeError::NotJson }
        })?;
        if read.specversion != SPEC_VERSION {
            return Err(DecodeError::NotCloudEvent(format!("specversion is {:?}", read.specversion)));
        }
        check_type::<T>(&read.r#type)?;
        let data = serde_json::from_value(read.data).map_err(|error| DecodeError::BadData(without_values(&error)))?;
        Ok(Self {
            id: read.id,
            source: read.source,
            subject: read.subject,
            time: read.time,
            request_id: read.requestid,
            data,
        })
    }

    /// The message for people, with the attributes in the order in which they go over the wire.
    #[cfg(test)]
    pub(crate) fn to_pretty(&self) -> String {
        serde_json::to_string_pretty(&self.outgoing()).unwrap_or_default()
    }

    fn outgoing(&self) -> Outgoing<'_, T> {
        Outgoing {
            specversion: SPEC_VERSION,
            id: self.id,
            source: &self.source,
            r#type: type_of::<T>(),
            subject: &self.subject,
            time: self.time,
            datacontenttype: DATA_CONTENT_TYPE,
            requestid: self.request_id.as_deref(),
            data: &self.data,
        }
    }
}

/// What is wrong, without the value that is: it may be a phone number, and the text ends up in logs.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") || text.starts_with("duplicate field") {
        text
    } else {
        "a field has a value of the wrong kind".to_owned()
    }
}

/// Tells another version of the right payload from something else altogether.
fn check_type<T: Payload>(found: &str) -> Result<(), DecodeError> {
    let expected = type_of::<T>();
    if found == expected {
        return Ok(());
    }
    let same_name = found
        .strip_prefix(TYPE_PREFIX)
        .and_then(|rest| rest.rsplit_once(".v"))
        .is_some_and(|(name, version)| name == T::NAME && version.parse::<u16>().is_ok());
    if same_name {
        Err(DecodeError::UnknownVersion { name: T::NAME, known: T::VERSION, found: found.to_owned() })
    } else {
        Err(DecodeError::WrongType { expected, found: found.to_owned() })
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::events::user::RegisteredV1;
    use crate::wire::Described as _;

    fn sample() -> Envelope<RegisteredV1> {
        let time = DateTime::from_timestamp(1_700_000_000, 123_456_789).unwrap();
        Envelope::new(Uuid::from_u128(7), time, 42, RegisteredV1::example())
    }

    fn edited(key: &str, value: Value) -> Vec<u8> {
        let mut json: Value = serde_json::from_str(&sample().to_text().unwrap()).unwrap();
        json[key] = value;
        serde_json::to_vec(&json).unwrap()
    }

    #[test]
    fn reads_back_what_it_wrote() {
        let sent = sample().with_request_id(Some("req-1".to_owned()));
        assert_eq!(Envelope::from_slice(&sent.to_vec().unwrap()), Ok(sent));
    }

    #[test]
    fn a_missing_request_is_left_out() {
        let text = String::from_utf8(sample().to_vec().unwrap()).unwrap();
        assert!(!text.contains("requestid"));
        assert!(text.contains(r#""time":"2023-11-14T22:13:20.123Z""#));
        assert!(text.starts_with(r#"{"specversion":"1.0","id":"#));
    }

    #[test]
    fn unknown_attributes_are_tolerated() {
        let bytes = edited("traceparent", Value::from("00-0-0-01"));
        assert_eq!(Envelope::from_slice(&bytes), Ok(sample()));
    }

    #[test]
    fn what_cannot_be_read_shows_no_value() {
        let mut data = serde_json::to_value(RegisteredV1::example()).unwrap();
        data["user_id"] = Value::from("+919800000001");
        let error = Envelope::<RegisteredV1>::from_slice(&edited("data", data)).unwrap_err();
        assert_eq!(error, DecodeError::BadData("a field has a value of the wrong kind".to_owned()));
        let error = Envelope::<RegisteredV1>::from_slice(&edited("data", Value::from("x"))).unwrap_err();
        assert!(matches!(error, DecodeError::BadData(_)));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let read = |bytes: &[u8]| Envelope::<RegisteredV1>::from_slice(bytes).unwrap_err().code();
        assert_eq!(read(b"\xff\x00"), "not_json");
        assert_eq!(read(b"{"), "not_json");
        assert_eq!(read(b"[]"), "not_cloud_event");
        assert_eq!(read(&edited("specversion", Value::from("0.3"))), "not_cloud_event");
        assert_eq!(read(&edited("id", Value::from("not-a-uuid"))), "not_cloud_event");
        assert_eq!(read(&edited("type", Value::from("com.example.other"))), "wrong_type");
        assert_eq!(read(&edited("type", Value::from("in.civiclens.identity.user.registered.v9"))), "unknown_version");
        assert_eq!(read(&edited("data", Value::from("text"))), "bad_data");
    }
}
