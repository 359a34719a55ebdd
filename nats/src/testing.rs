//! What the tests of the frozen types have in common.

use std::fmt::Debug;
use std::path::Path;

use chrono::DateTime;
use serde_json::Value;
use uuid::Uuid;

use crate::envelope::{DecodeError, Envelope, type_of};
use crate::wire::Described;

/// Holds a type to its committed snapshot, in both directions, and to its schema.
pub(crate) fn frozen<T: Described + Debug + PartialEq>() {
    let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
    let sent = Envelope::new(id, DateTime::UNIX_EPOCH, 42, T::example()).with_request_id(Some("req-1".to_owned()));
    let pretty = sent.to_pretty();
    let name = format!("{}.v{}", T::NAME, T::VERSION);

    // What is written today is what was written when the type was released.
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.clone(), pretty));

    // What was written then is still read.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("snapshots/{name}.snap"));
    let committed = std::fs::read_to_string(path).unwrap();
    let body = committed.splitn(3, "---\n").nth(2).expect("a snapshot has a header");
    assert_eq!(Envelope::from_slice(body.as_bytes()), Ok(sent));

    tolerates_new_fields::<T>(body);
    refuses_other_types::<T>(body);
    let message: Value = serde_json::from_str(body).unwrap();
    fits(&message["data"], &T::schema());
    needs_what_the_schema_requires::<T>(&message);
}

fn tolerates_new_fields<T: Described + Debug + PartialEq>(body: &str) {
    let mut message: Value = serde_json::from_str(body).unwrap();
    message["data"]["added_later"] = Value::from(true);
    message["addedlater"] = Value::from("x");
    let read = Envelope::<T>::from_slice(message.to_string().as_bytes()).map(|envelope| envelope.data);
    assert_eq!(read, Ok(T::example()));
}

fn refuses_other_types<T: Described + Debug + PartialEq>(body: &str) {
    let retyped = |kind: &str| {
        let mut message: Value = serde_json::from_str(body).unwrap();
        message["type"] = Value::from(kind);
        Envelope::<T>::from_slice(message.to_string().as_bytes()).unwrap_err()
    };
    let next = format!("in.civiclens.identity.{}.v{}", T::NAME, T::VERSION + 1);
    assert_eq!(retyped(&next), DecodeError::UnknownVersion { name: T::NAME, known: T::VERSION, found: next.clone() });
    let other = "in.civiclens.identity.something.else.v1";
    assert_eq!(retyped(other), DecodeError::WrongType { expected: type_of::<T>(), found: other.to_owned() });
}

/// A field is required in the schema exactly when the type cannot be read without it.
fn needs_what_the_schema_requires<T: Described>(message: &Value) {
    let schema = T::schema();
    let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for name in schema["properties"].as_object().unwrap().keys() {
        let mut without = message.clone();
        without["data"].as_object_mut().unwrap().remove(name);
        let readable = Envelope::<T>::from_slice(without.to_string().as_bytes()).is_ok();
        assert_eq!(!readable, required.contains(&name.as_str()), "{name} of {}", T::NAME);
    }
}

/// Checks a value against the part of JSON schema that `schema.rs` writes, and that it has no field beyond it.
pub(crate) fn fits(value: &Value, schema: &Value) {
    if let Err(problem) = check(value, schema) {
        panic!("{problem}\nvalue: {value:#}\nschema: {schema:#}");
    }
}

fn check(value: &Value, schema: &Value) -> Result<(), String> {
    let types = match &schema["type"] {
        Value::Null => return Ok(()),
        Value::String(one) => vec![one.as_str()],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        other => return Err(format!("not a type: {other}")),
    };
    let found = kind(value);
    if !types.contains(&found) {
        return Err(format!("{value} is {found}, not {types:?}"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        return Err(format!("{value} is none of {choices:?}"));
    }
    match value {
        Value::String(text) if schema["format"] == "date-time" => {
            let exact = text.len() == "1970-01-01T00:00:00.000Z".len() && text.ends_with('Z');
            (exact && DateTime::parse_from_rfc3339(text).is_ok()).then_some(()).ok_or(format!("{text} is no time"))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check(item, &schema["items"])),
        Value::Object(fields) => {
            let missing = |name: &&Value| !fields.contains_key(name.as_str().unwrap());
            if let Some(name) = schema["required"].as_array().into_iter().flatten().find(missing) {
                return Err(format!("{name} is missing"));
            }
            fields.iter().try_for_each(|(name, field)| {
                match (&schema["properties"][name], &schema["additionalProperties"]) {
                    (Value::Null, Value::Null) => Err(format!("{name} is not in the schema")),
                    (Value::Null, additional) => check(field, additional),
                    (listed, _) => check(field, listed),
                }
            })
        }
        _ => Ok(()),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let schema = crate::schema::object([
        ("id", crate::schema::id("An id.")),
        ("at", crate::schema::optional(crate::schema::time("A time."))),
    ]);
    let verdict = |json: &str| check(&serde_json::from_str(json).unwrap(), &schema).is_ok();
    assert!(verdict(r#"{"id":1,"at":"1970-01-01T00:00:00.000Z"}"#));
    assert!(verdict(r#"{"id":1,"at":null}"#));
    assert!(verdict(r#"{"id":1}"#));
    for wrong in [r#"{"at":null}"#, r#"{"id":"1"}"#, r#"{"id":1,"at":"yesterday"}"#, r#"{"id":1,"more":2}"#, "[]"] {
        assert!(!verdict(wrong), "{wrong}");
    }
}
