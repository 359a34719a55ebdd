//! What a payload on the wire must be, and how times are written in one.
//!
//! A payload is frozen once it is released: a breaking change is a new version beside the old one, with its own type.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// The `data` of an [`Envelope`](crate::envelope::Envelope).
pub trait Payload: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// What it is called in the `type` of the envelope, such as `user.registered`.
    const NAME: &'static str;
    /// The version of its shape, starting at 1.
    const VERSION: u16;
}

/// A payload of our own contract: it also appears in the `AsyncAPI` document.
///
/// The schema is written by hand beside the type, and a test holds the two together.
pub trait Described: Payload {
    /// When it is sent, in one sentence.
    const SUMMARY: &'static str;
    /// The JSON schema of the `data`.
    fn schema() -> Value;
    /// A value with every optional field present, for the document and for the wire snapshots.
    fn example() -> Self;
}

/// Times as RFC 3339 in UTC with exactly three decimals and a `Z`, so that equal times are equal texts.
pub(crate) mod millis {
    use chrono::{DateTime, SecondsFormat, SubsecRound as _, Utc};
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn truncate(time: DateTime<Utc>) -> DateTime<Utc> {
        time.trunc_subsecs(3)
    }

    pub(crate) fn text(time: &DateTime<Utc>) -> String {
        time.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    pub(crate) fn serialize<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&text(time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        DateTime::<Utc>::deserialize(from)
    }

    /// The same for a time that may be absent.
    pub(crate) mod option {
        use chrono::{DateTime, Utc};
        use serde::{Deserialize as _, Deserializer, Serializer};

        #[expect(clippy::ref_option, reason = "serde's `with` hands over a reference to the field")]
        pub(crate) fn serialize<S: Serializer>(time: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, to),
                None => to.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<DateTime<Utc>>, D::Error> {
            Option::<DateTime<Utc>>::deserialize(from)
        }
    }
}
