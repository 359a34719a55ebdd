//! The `AsyncAPI` 3.0 document, generated from the code.
//!
//! `nats/asyncapi.json` is this document; a test fails when the two differ. `CIVICLENS_UPDATE=1 cargo test -p
//! civiclens-nats` writes it anew.

mod streams;

use serde_json::{Map, Value, json};

use crate::broadcast::{RevocationV1, RevocationV2};
use crate::dead_letter::{self, DeadLetter};
use crate::envelope::{CONTENT_TYPE, Envelope, SOURCE, type_of};
use crate::events::{officer, security, session, user};
use crate::jobs::email::EmailJobV1;
use crate::jobs::sms::SmsJobV1;
use crate::publish::{CONTENT_TYPE_HEADER, MESSAGE_ID, REQUEST_ID};
use crate::schema::{object, optional, text, time};
use crate::subjects::{Channel, StreamKind, Subjects};
use crate::wire::Described;

/// The version of the contract: the minor number grows with every new message.
const VERSION: &str = "1.1.0";

/// Collects the parts of the document.
#[derive(Default)]
struct Document {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
    schemas: Map<String, Value>,
}

/// What the document says about the whole contract, under the default prefix.
pub fn document() -> Value {
    let subjects = Subjects::default();
    let mut made = Document::default();
    made.event::<user::RegisteredV1>(&subjects);
    made.event::<officer::CreatedV1>(&subjects);
    made.event::<officer::InvitedV1>(&subjects);
    made.event::<session::OpenedV1>(&subjects);
    made.event::<session::RevokedV1>(&subjects);
    made.event::<security::LoginFailedV1>(&subjects);
    made.event::<security::AccountLockedV1>(&subjects);
    made.event::<security::AuthenticatorOffV1>(&subjects);
    made.event::<security::RefreshReusedV1>(&subjects);
    made.event::<security::TwoFactorChangedV1>(&subjects);
    made.event::<security::PasswordChangedV1>(&subjects);
    made.event::<security::NewDeviceV1>(&subjects);
    made.message::<SmsJobV1>(&subjects.notify(Channel::Sms), Some(StreamKind::Notify), &subjects);
    made.operation::<SmsJobV1>("receive");
    made.message::<EmailJobV1>(&subjects.notify(Channel::Email), Some(StreamKind::Notify), &subjects);
    made.operation::<EmailJobV1>("receive");
    made.message::<RevocationV1>(&subjects.broadcast_revocation(), None, &subjects);
    made.operation::<RevocationV1>("receive");
    made.message::<RevocationV2>(&subjects.broadcast_revocation(), None, &subjects);
    made.operation::<RevocationV2>("receive");
    made.dead_letters(&subjects);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "CivicLens Identity",
            "version": VERSION,
            "description": "What CivicLens Identity says over NATS. Streams deliver at least once: a consumer is idempotent on \
                the `id`, which is also the `Nats-Msg-Id`. Fields may be added to a message at any time; a breaking change is a \
                new version of the type, published beside the old one. Subjects begin with `civiclens` unless the operator \
                chose another prefix.",
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": made.channels,
        "operations": made.operations,
        "components": { "messages": made.messages, "schemas": made.schemas },
        "x-jetstream": streams::describe(&subjects),
    })
}

impl Document {
    fn event<T: Described>(&mut self, subjects: &Subjects) {
        self.message::<T>(&subjects.event(T::NAME), Some(StreamKind::Events), subjects);
    }

    /// A channel with one message, the operation that sends it, and the schemas of both.
    fn message<T: Described>(&mut self, subject: &str, stream: Option<StreamKind>, subjects: &Subjects) {
        let channel = channel_key(T::NAME);
        let key = format!("{channel}V{}", T::VERSION);
        self.schemas.insert(key.clone(), T::schema());
        self.messages.insert(key.clone(), message::<T>(&key));
        self.channel(&channel, subject, &key, stream, subjects);
        self.operate("send", &channel, &key, T::SUMMARY);
    }

    /// A second operation on a message: this service is also among those that receive it.
    fn operation<T: Described>(&mut self, action: &str) {
        let channel = channel_key(T::NAME);
        let key = format!("{channel}V{}", T::VERSION);
        self.operate(action, &channel, &key, T::SUMMARY);
    }

    /// A message on a channel, beside its other versions.
    fn channel(&mut self, channel: &str, subject: &str, key: &str, stream: Option<StreamKind>, subjects: &Subjects) {
        let described = self.channels.entry(channel).or_insert_with(|| json!({ "address": subject, "messages": {} }));
        described["messages"][key] = json!({ "$ref": format!("#/components/messages/{key}") });
        if let Some(stream) = stream {
            described["x-stream"] = Value::from(subjects.stream(stream));
        }
    }

    /// A message in an operation, beside its other versions. The latest says what the operation is about.
    fn operate(&mut self, action: &str, channel: &str, key: &str, summary: &str) {
        let described = self.operations.entry(format!("{action}{}", capital(channel))).or_insert_with(
            || json!({ "action": action, "channel": { "$ref": format!("#/channels/{channel}") }, "messages": [] }),
        );
        described["summary"] = Value::from(summary);
        if let Some(messages) = described["messages"].as_array_mut() {
            messages.push(json!({ "$ref": format!("#/channels/{channel}/messages/{key}") }));
        }
    }

    fn dead_letters(&mut self, subjects: &Subjects) {
        let summary = "A job was given up; the letter holds it with why.";
        self.schemas.insert("deadLetter".to_owned(), DeadLetter::schema());
        let headers = object([
            (MESSAGE_ID, text("The id of the job with `.dead` behind it.")),
            (dead_letter::REASON, text("The code of the letter.")),
            (dead_letter::ORIGINAL_SUBJECT, text("The subject the job was on.")),
            (dead_letter::ATTEMPTS, text("How often the job was delivered.")),
        ]);
        let message = json!({
            "name": "deadLetter",
            "summary": summary,
            "contentType": "application/json",
            "headers": headers,
            "payload": { "$ref": "#/components/schemas/deadLetter" },
        });
        self.messages.insert("deadLetter".to_owned(), message);
        for of in Channel::ALL {
            let channel = channel_key(&format!("notify_dead.{of}"));
            let subject = subjects.notify_dead(of);
            self.channel(&channel, &subject, "deadLetter", Some(StreamKind::NotifyDead), subjects);
            self.operate("send", &channel, "deadLetter", summary);
        }
    }
}

/// A message: the envelope with the payload in it.
fn message<T: Described>(key: &str) -> Value {
    let constant = |value: &str| json!({ "type": "string", "const": value });
    let payload = object([
        ("specversion", constant("1.0")),
        ("id", json!({ "type": "string", "format": "uuid", "description": "The identity of the message." })),
        ("source", constant(SOURCE)),
        ("type", constant(&type_of::<T>())),
        ("subject", text("The id of the user it is about.")),
        ("time", time("When it happened.")),
        ("datacontenttype", constant("application/json")),
        ("requestid", optional(text("The request that led to it."))),
        ("data", json!({ "$ref": format!("#/components/schemas/{key}") })),
    ]);
    let headers = object([
        (MESSAGE_ID, text("The `id` of the envelope.")),
        (CONTENT_TYPE_HEADER, constant(CONTENT_TYPE)),
        (REQUEST_ID, optional(text("The `requestid` of the envelope."))),
    ]);
    let example = Envelope::new(uuid::Uuid::nil(), chrono::DateTime::UNIX_EPOCH, 42, T::example()).to_text();
    let example = example.and_then(|text| serde_json::from_str::<Value>(&text));
    json!({
        "name": type_of::<T>(),
        "title": T::NAME,
        "summary": T::SUMMARY,
        "contentType": CONTENT_TYPE,
        "headers": headers,
        "payload": payload,
        "examples": [{ "name": "example", "payload": example.unwrap_or_default() }],
    })
}

/// `user.registered` as `userRegistered`.
fn channel_key(name: &str) -> String {
    let mut words = name.split(['.', '_']);
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |key, word| key + &capital(word))
}

fn capital(word: &str) -> String {
    let mut rest = word.chars();
    rest.next().into_iter().flat_map(char::to_uppercase).chain(rest).collect()
}

#[cfg(test)]
mod tests {

    use std::path::Path;

    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("asyncapi.json");
        let generated = document();
        if std::env::var_os("CIVICLENS_UPDATE").is_some() {
            std::fs::write(&path, format!("{generated:#}\n")).unwrap();
        }
        let committed: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(committed == generated, "nats/asyncapi.json is not up to date: run the test with CIVICLENS_UPDATE=1");
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_example_fits_its_message() {
        let document = document();
        for message in document["components"]["messages"].as_object().unwrap().values() {
            for example in message["examples"].as_array().into_iter().flatten() {
                crate::testing::fits(&example["payload"], &message["payload"]);
            }
        }
    }

    fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                references.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|field| collect(field, references));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
            _ => {}
        }
    }
}
