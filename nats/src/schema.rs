//! Small words to write JSON schemas with, beside the frozen types they describe.
//!
//! Fields that are not listed are permitted on the wire (a publisher may add one), so the schemas do not close objects.
//! Our own samples are held to the listed fields by the test validator.

use serde_json::{Map, Value, json};

/// An object; a field whose schema carries `optional()` may be absent or null.
pub(crate) fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for (name, mut schema) in fields {
        let optional = schema.as_object_mut().and_then(|map| map.remove(OPTIONAL)).is_some();
        if !optional {
            required.push(Value::from(name));
        }
        properties.insert(name.to_owned(), schema);
    }
    json!({ "type": "object", "properties": properties, "required": required })
}

const OPTIONAL: &str = "\u{0}optional";

/// Marks a field as one that may be absent or null.
pub(crate) fn optional(mut schema: Value) -> Value {
    if let Some(map) = schema.as_object_mut() {
        if let Some(kind) = map.get("type").cloned() {
            map.insert("type".to_owned(), json!([kind, "null"]));
        }
        map.insert(OPTIONAL.to_owned(), Value::Bool(true));
    }
    schema
}

/// The id of a user, a session or another row.
pub(crate) fn id(description: &str) -> Value {
    json!({ "type": "integer", "format": "int64", "description": description })
}

/// A whole number that identifies nothing.
pub(crate) fn int(description: &str) -> Value {
    json!({ "type": "integer", "format": "int32", "description": description })
}

/// A free text.
pub(crate) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// A `snake_case` text from a set that may grow.
pub(crate) fn word(description: &str, known: &[&str]) -> Value {
    json!({ "type": "string", "pattern": "^[a-z][a-z0-9_]*$", "description": description, "examples": known })
}

/// A time: RFC 3339, UTC.
pub(crate) fn time(description: &str) -> Value {
    json!({ "type": "string", "format": "date-time", "description": description })
}

/// A truth value.
pub(crate) fn flag(description: &str) -> Value {
    json!({ "type": "boolean", "description": description })
}

/// A list.
pub(crate) fn list(description: &str, items: &Value) -> Value {
    json!({ "type": "array", "items": items, "description": description })
}

/// Texts by name.
pub(crate) fn texts(description: &str) -> Value {
    json!({ "type": "object", "additionalProperties": { "type": "string" }, "description": description })
}
