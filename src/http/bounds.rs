//! Holds what clients send to the bounds that the `OpenAPI` document gives: lengths, patterns, ranges and counts.
//!
//! A body is first read into its type, which settles what kind of value stands where; then its values are compared with
//! the schema of that type, so that what is documented is what is enforced.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use civiclens_actors::domain::code::FieldError;
use regex::Regex;
use serde_json::Value;
use utoipa::ToSchema;

thread_local! {
    /// Schemas are made from code each time; a worker thread keeps what it made. One entry a type of body.
    static KNOWN: RefCell<HashMap<TypeId, Rc<Bounds>>> = RefCell::default();
}

/// The schema of a body, with the schemas it refers to and its patterns compiled.
struct Bounds {
    schema: Value,
    named: HashMap<String, Value>,
    /// `None` for a pattern that is none: a test sees to it that there are no such.
    patterns: HashMap<String, Option<Regex>>,
}

/// Compares `body`, which has the shape of `T`, with the bounds of `T`. Answers what is beyond them, as far as it is.
pub(super) fn check<T: ToSchema + 'static>(body: &Value) -> Vec<FieldError> {
    let bounds =
        KNOWN.with_borrow_mut(|known| Rc::clone(known.entry(TypeId::of::<T>()).or_insert_with(Bounds::of::<T>)));
    let mut faults = Vec::new();
    bounds.walk(&bounds.schema, body, "", &mut faults);
    faults
}

impl Bounds {
    fn of<T: ToSchema>() -> Rc<Self> {
        let json = |schema| serde_json::to_value(schema).unwrap_or_default();
        let mut referred = Vec::new();
        T::schemas(&mut referred);
        let schema = json(T::schema());
        let named: HashMap<String, Value> = referred.into_iter().map(|(name, schema)| (name, json(schema))).collect();
        let mut patterns = HashMap::new();
        for schema in named.values().chain([&schema]) {
            compile(schema, &mut patterns);
        }
        Rc::new(Self { schema, named, patterns })
    }

    fn walk(&self, schema: &Value, value: &Value, path: &str, faults: &mut Vec<FieldError>) {
        if let Some(place) = schema["$ref"].as_str() {
            let named = place.rsplit('/').next().and_then(|name| self.named.get(name));
            return named.into_iter().for_each(|named| self.walk(named, value, path, faults));
        }
        if let Some(all) = schema["allOf"].as_array() {
            for part in all {
                self.walk(part, value, path, faults);
            }
        }
        if let Some(forms) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
            self.walk_forms(forms, value, path, faults);
        }
        match value {
            Value::String(text) => faults.extend(self.text(schema, text, path)),
            Value::Number(number) => faults.extend(range(schema, number, path)),
            Value::Array(items) => {
                let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
                if items.len() as u64 > most {
                    faults.push(fault(path, "too_many", format!("{} may have at most {most} entries.", shown(path))));
                    return;
                }
                for (place, item) in items.iter().enumerate() {
                    self.walk(&schema["items"], item, &format!("{path}[{place}]"), faults);
                }
            }
            Value::Object(fields) => {
                for (name, field) in fields {
                    let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.walk(&schema["properties"][name], field, &at, faults);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// A value in one of several forms must keep to the bounds of one of those that have its type.
    fn walk_forms(&self, forms: &[Value], value: &Value, path: &str, faults: &mut Vec<FieldError>) {
        let mut least: Option<Vec<FieldError>> = None;
        for form in forms.iter().filter(|form| self.is_of_type(form, value)) {
            let mut found = Vec::new();
            self.walk(form, value, path, &mut found);
            if least.as_ref().is_none_or(|least| found.len() < least.len()) {
                least = Some(found);
            }
        }
        faults.extend(least.unwrap_or_default());
    }

    fn is_of_type(&self, schema: &Value, value: &Value) -> bool {
        if let Some(place) = schema["$ref"].as_str() {
            let named = place.rsplit('/').next().and_then(|name| self.named.get(name));
            return named.is_some_and(|named| self.is_of_type(named, value));
        }
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let is = |given: &Value| given == kind || (given == "integer" && kind == "number");
        match &schema["type"] {
            Value::Null => true,
            Value::Array(kinds) => kinds.iter().any(is),
            given => is(given),
        }
    }

    fn text(&self, schema: &Value, text: &str, path: &str) -> Option<FieldError> {
        let (least, most) = (schema["minLength"].as_u64().unwrap_or(0), schema["maxLength"].as_u64());
        let length = text.chars().count() as u64;
        let name = shown(path);
        if most.is_some_and(|most| length > most) {
            let most = most.unwrap_or_default();
            return Some(fault(path, "too_long", format!("{name} may have at most {most} characters.")));
        }
        if length < least {
            return Some(fault(path, "too_short", format!("{name} must have at least {least} characters.")));
        }
        let pattern = schema["pattern"].as_str()?;
        let fits = self.patterns.get(pattern)?.as_ref().is_none_or(|pattern| pattern.is_match(text));
        (!fits).then(|| fault(path, "malformed", format!("{name} has characters or a form that it may not have.")))
    }
}

fn compile(schema: &Value, patterns: &mut HashMap<String, Option<Regex>>) {
    match schema {
        Value::Object(fields) => {
            if let Some(pattern) = fields.get("pattern").and_then(Value::as_str) {
                patterns.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
            }
            fields.values().for_each(|field| compile(field, patterns));
        }
        Value::Array(items) => items.iter().for_each(|item| compile(item, patterns)),
        _ => {}
    }
}

fn range(schema: &Value, number: &serde_json::Number, path: &str) -> Option<FieldError> {
    let number = number.as_f64()?;
    let (least, most) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
    let fits = least.is_none_or(|least| number >= least) && most.is_none_or(|most| number <= most);
    let message = match (least, most) {
        (Some(least), Some(most)) => format!("{} must be a number from {least} to {most}.", shown(path)),
        (Some(least), None) => format!("{} must be at least {least}.", shown(path)),
        _ => format!("{} must be at most {}.", shown(path), most.unwrap_or_default()),
    };
    (!fits).then(|| fault(path, "out_of_range", message))
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "The body" } else { path }
}

/// A fault by the code that the field has for it where there is one, so that a bound and a rule say the same.
fn fault(path: &str, code: &'static str, message: String) -> FieldError {
    let name = path.rsplit('.').next().unwrap_or(path);
    let code = match (name, code) {
        ("phone", _) => "phone_invalid",
        ("email", _) => "email_invalid",
        ("full_name", _) => "name_invalid",
        ("employee_id", _) => "employee_id_invalid",
        ("otp", _) => "otp_malformed",
        ("password" | "new_password" | "old_password", "too_long") => "password_too_long",
        (_, code) => code,
    };
    FieldError { field: if path.is_empty() { "body" } else { path }.to_owned(), code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    struct Body {
        #[schema(min_length = 2, max_length = 4)]
        name: Option<String>,
        #[schema(minimum = 1, maximum = 5)]
        number: i64,
        #[schema(max_length = 3, pattern = "^[a-z]*$")]
        code: String,
        #[schema(max_items = 2)]
        list: Vec<Inner>,
        either: Either,
    }

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    struct Inner {
        #[schema(max_length = 1)]
        deep: String,
    }

    #[derive(serde::Deserialize, ToSchema)]
    #[schema(max_length = 2)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    struct Short(String);

    #[derive(serde::Deserialize, ToSchema)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "only its schema is of interest")]
    enum Either {
        Text(Short),
        Object {
            #[schema(max_length = 3)]
            name: String,
        },
    }

    fn faults(body: &Value) -> Vec<(String, String)> {
        check::<Body>(body).into_iter().map(|fault| (fault.field, fault.code)).collect()
    }

    #[test]
    fn what_keeps_to_the_bounds_is_fine() {
        let edge = json!({ "name": "äöüß", "number": 5, "code": "abc", "list": [{ "deep": "x" }, {}], "either": "ab" });
        assert_eq!(faults(&edge), []);
        assert_eq!(
            faults(&json!({ "name": null, "number": 1, "either": { "name": "abc" }, "unknown": "x".repeat(999) })),
            []
        );
    }

    #[test]
    fn what_is_beyond_a_bound_is_named() {
        for (body, field, code) in [
            (json!({ "name": "a" }), "name", "too_short"),
            (json!({ "name": "abcde" }), "name", "too_long"),
            (json!({ "number": 0 }), "number", "out_of_range"),
            (json!({ "number": 6 }), "number", "out_of_range"),
            (json!({ "code": "a1" }), "code", "malformed"),
            (json!({ "code": "abc\n" }), "code", "too_long"),
            (json!({ "list": [{}, {}, {}] }), "list", "too_many"),
            (json!({ "list": [{}, { "deep": "xy" }] }), "list[1].deep", "too_long"),
            (json!({ "either": { "name": "abcd" } }), "either.name", "too_long"),
        ] {
            assert_eq!(faults(&body), [(field.to_owned(), code.to_owned())], "{body}");
        }
    }
}
