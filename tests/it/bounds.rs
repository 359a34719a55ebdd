//! Every string and number that the document lets clients send has a bound, and what is beyond it is refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, story};

const ADMIN: &str = "98765 43299";
/// What a body may be at the most, in bytes.
const BODY: usize = 65_536;

fn document() -> Value {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(place) => document.pointer(place.trim_start_matches('#')).unwrap(),
        None => schema,
    }
}

/// The forms that a schema allows, references resolved.
fn forms<'a>(document: &'a Value, schema: &'a Value) -> Vec<&'a Value> {
    let schema = resolved(document, schema);
    match schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        Some(forms) => forms.iter().flat_map(|form| self::forms(document, form)).collect(),
        None => vec![schema],
    }
}

fn is(schema: &Value, kind: &str) -> bool {
    schema["type"] == kind || schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!(kind)))
}

/// Values that are beyond a bound of `schema`; an empty list is a schema without one.
fn beyond(schema: &Value) -> Vec<Value> {
    if schema.get("enum").is_some() || schema.get("const").is_some() {
        return vec![json!("none-of-these")];
    }
    let mut values = Vec::new();
    if is(schema, "string") {
        let most = schema["maxLength"].as_u64().and_then(|most| usize::try_from(most).ok());
        values.extend(most.filter(|most| most * 3 < BODY).map(|most| json!("x".repeat(most + 1))));
        if let Some(least) = schema["minLength"].as_u64().filter(|least| *least > 0) {
            values.push(json!("x".repeat(usize::try_from(least).unwrap() - 1)));
        }
        if let (Some(_), Some(most)) = (schema["pattern"].as_str(), most) {
            values.push(json!(format!("\u{7}{}", "x".repeat(most - 1))));
        }
    }
    if is(schema, "integer") || is(schema, "number") {
        values.extend(schema["minimum"].as_i64().map(|least| json!(least - 1)));
        // Where no maximum is given, the type has one.
        values.push(schema["maximum"].as_i64().map_or(json!(9.3e18), |most| json!(most + 1)));
    }
    values
}

/// Every place in `schema` that takes a string or a number, as a path of field names.
fn places<'a>(document: &'a Value, schema: &'a Value, path: &[String], found: &mut Vec<(Vec<String>, &'a Value)>) {
    for form in forms(document, schema) {
        for (name, field) in form["properties"].as_object().into_iter().flatten() {
            let path = [path, std::slice::from_ref(name)].concat();
            places(document, field, &path, found);
        }
        if is(form, "string") || is(form, "integer") || is(form, "number") {
            found.push((path.to_vec(), form));
        }
    }
}

/// A body of the right shape.
fn example(document: &Value, schema: &Value) -> Value {
    let schema = forms(document, schema).into_iter().find(|form| form["type"] != "null").unwrap();
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let fields = required.iter().map(|name| name.as_str().unwrap());
        return fields.map(|name| (name.to_owned(), example(document, &properties[name]))).collect();
    }
    match schema["enum"].as_array() {
        Some(values) => values[0].clone(),
        None if is(schema, "integer") => json!(1),
        None if is(schema, "boolean") => json!(true),
        None => json!("Zebra-Quartz-42"),
    }
}

fn put(body: &mut Value, path: &[String], value: Value) {
    let mut place = body;
    for name in path {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[name.as_str()];
    }
    *place = value;
}

async fn sends(app: &TestApp, token: &str, method: &Method, path: &str, body: &Value) -> Answer {
    let path = path.replace("{id}", "1");
    Answer::of(app.http.request(method.clone(), app.at(&path)).bearer_auth(token).json(body)).await
}

#[actix::test]
async fn what_is_beyond_a_bound_of_the_document_is_refused() {
    story(async |app| {
        app.has_admin(ADMIN).await;
        let (session, _) = app.admin_signs_in(ADMIN).await;
        let document = document();
        let (mut fields, mut sent) = (0, 0);
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let method: Method = method.to_uppercase().parse().unwrap();
                let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                let mut found = Vec::new();
                places(&document, schema, &[], &mut found);
                for (place, field) in found {
                    fields += 1;
                    let values = beyond(field);
                    assert!(!values.is_empty(), "{method} {path}: {place:?} has no bound: {field}");
                    for value in values {
                        let mut body = example(&document, schema);
                        put(&mut body, &place, value.clone());
                        let answer = sends(app, &session.token, &method, path, &body).await;
                        let shown: String = value.to_string().chars().take(40).collect();
                        let refused = matches!(answer.status, 400 | 422);
                        assert!(refused, "{method} {path}: {place:?} = {shown}: {answer:?}");
                        sent += 1;
                    }
                }
            }
        }
        assert!(fields >= 40 && sent >= 50, "{fields} fields, {sent} values");
        session.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn what_is_beyond_a_bound_of_a_query_or_path_is_refused() {
    story(async |app| {
        app.has_admin(ADMIN).await;
        let (session, _) = app.admin_signs_in(ADMIN).await;
        let document = document();
        let mut seen = 0;
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let method: Method = method.to_uppercase().parse().unwrap();
                for parameter in operation["parameters"].as_array().into_iter().flatten() {
                    let (name, place) = (parameter["name"].as_str().unwrap(), &parameter["in"]);
                    let mut values = vec!["\u{7}".to_owned(), "99999999999999999999".to_owned()];
                    values.extend(
                        beyond(resolved(&document, &parameter["schema"]))
                            .iter()
                            .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
                    );
                    for value in values {
                        seen += 1;
                        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
                        let body = if schema.is_null() { json!({}) } else { example(&document, schema) };
                        let mut url = url::Url::parse(&app.at(&path.replace("{id}", "1"))).unwrap();
                        if place == "path" {
                            url = url::Url::parse(&app.at("/")).unwrap();
                            let parts = path.trim_start_matches('/').split('/');
                            let parts =
                                parts.map(|part| if part == format!("{{{name}}}") { value.as_str() } else { part });
                            url.path_segments_mut().unwrap().clear().extend(parts);
                        } else {
                            url.query_pairs_mut().append_pair(name, &value);
                        }
                        let request = app.http.request(method.clone(), url).bearer_auth(&session.token).json(&body);
                        let answer = Answer::of(request).await;
                        let expected: &[u16] = if place == "path" { &[404] } else { &[422] };
                        assert!(expected.contains(&answer.status), "{method} {path}: {name} = {value}: {answer:?}");
                    }
                }
            }
        }
        assert!(seen >= 20, "{seen}");
    })
    .await;
}

#[test]
fn every_operation_says_what_it_answers() {
    let document = document();
    let mut answers = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                let text = response["description"].as_str().unwrap_or_default();
                assert!(!text.is_empty(), "{method} {path} {status}");
                answers += 1;
            }
            let must = |statuses: &[&str], why: &str| {
                for status in statuses {
                    assert!(responses.contains_key(*status), "{method} {path}: {status} for {why}");
                }
            };
            must(&["408", "431", "500", "503"], "everything");
            if operation.get("requestBody").is_some() {
                must(&["400", "413", "415", "422"], "a body");
            }
            let parameters = operation["parameters"].as_array();
            if parameters.is_some_and(|all| all.iter().any(|parameter| parameter["in"] == "query")) {
                must(&["400", "422"], "a query");
            }
            let security = operation["security"].as_array().unwrap();
            if security.iter().any(|one| one.get("bearer").is_some()) {
                must(&["401", "403"], "a session");
            }
        }
    }
    assert!(answers > 250, "{answers}");
}
