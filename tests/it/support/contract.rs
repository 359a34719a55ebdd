//! Holds every message on the wire to the committed document that describes it.

use std::sync::LazyLock;

use serde_json::{Map, Value};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../nats/asyncapi.json")).unwrap());

/// The message on `subject` (without its prefix) is one that `nats/asyncapi.json` describes, in headers and body.
pub(super) fn holds(subject: &str, headers: &Map<String, Value>, body: &Value) {
    let address = format!("civiclens.{subject}");
    let mut channels = DOCUMENT["channels"].as_object().unwrap().values();
    let channel = channels.find(|channel| channel["address"] == address.as_str());
    let channel = channel.unwrap_or_else(|| panic!("nats/asyncapi.json has no channel for {address}"));
    let fits = |message: &Value| {
        let message = resolved(message);
        check(&Value::Object(headers.clone()), &message["headers"], "headers", Others::Allowed)?;
        // A dead letter is the one message that is no CloudEvent.
        check(body, &message["payload"], "body", Others::Refused)
    };
    // A channel with several versions has a message for each.
    let verdicts: Vec<_> = channel["messages"].as_object().unwrap().values().map(fits).collect();
    assert!(verdicts.iter().any(Result::is_ok), "{address}: {verdicts:?}\n{body:#}");
}

/// What of fields that are not described?
#[derive(Clone, Copy, PartialEq)]
enum Others {
    Allowed,
    Refused,
}

fn resolved(schema: &Value) -> &Value {
    schema["$ref"].as_str().map_or(schema, |place| DOCUMENT.pointer(place.trim_start_matches('#')).unwrap())
}

fn check(value: &Value, schema: &Value, at: &str, others: Others) -> Result<(), String> {
    let schema = resolved(schema);
    let holds = |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{at} {what}: {value}")) };
    holds(schema.get("const").is_none_or(|only| only == value), "is not the constant")?;
    holds(schema["enum"].as_array().is_none_or(|choices| choices.contains(value)), "is not a choice")?;
    holds(schema.get("type").is_none_or(|kinds| is_one_of(value, kinds)), "has the wrong type")?;
    match value {
        Value::String(text) => holds(is_formatted(text, &schema["format"]), "has the wrong format"),
        Value::Array(items) => items.iter().try_for_each(|item| check(item, &schema["items"], at, others)),
        Value::Object(fields) => {
            for name in schema["required"].as_array().into_iter().flatten() {
                holds(fields.contains_key(name.as_str().unwrap()), &format!("lacks {name}"))?;
            }
            fields.iter().try_for_each(|(name, field)| {
                let (listed, more) = (&schema["properties"][name], &schema["additionalProperties"]);
                let open = others == Others::Allowed || schema.get("properties").is_none();
                holds(open || listed.is_object() || more.is_object(), &format!("has {name} besides"))?;
                check(field, if listed.is_object() { listed } else { more }, &format!("{at}.{name}"), others)
            })
        }
        _ => Ok(()),
    }
}

fn is_one_of(value: &Value, kinds: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    kinds == kind || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|one| one == kind))
}

fn is_formatted(text: &str, format: &Value) -> bool {
    match format.as_str() {
        Some("date-time") => text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        Some("uuid") => uuid::Uuid::parse_str(text).is_ok(),
        _ => true,
    }
}

#[test]
fn what_the_contract_does_not_describe_is_found() {
    let message = &DOCUMENT["components"]["messages"]["sessionRevokedV1"];
    let good = &message["examples"][0]["payload"];
    let verdict = |change: &dyn Fn(&mut Value)| {
        let mut changed = good.clone();
        change(&mut changed);
        check(&changed, &message["payload"], "body", Others::Refused)
    };
    assert_eq!(verdict(&|_| ()), Ok(()));
    let wrongs: [&dyn Fn(&mut Value); 6] = [
        &|message| message["specversion"] = "0.3".into(),
        &|message| message["id"] = "7".into(),
        &|message| message["time"] = "yesterday".into(),
        &|message| message["data"]["phone"] = "+919876543210".into(),
        &|message| message["data"]["session_id"] = "7".into(),
        &|message| drop(message["data"].as_object_mut().unwrap().remove("user_id")),
    ];
    for wrong in wrongs {
        assert!(verdict(wrong).is_err());
    }
}
