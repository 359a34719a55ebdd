//! Each kind of token is refused wherever another kind is expected.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::{Answer, PASSWORD, Session, TestApp, eventually, story_with};

const PHONE: &str = "98765 43210";
const EMAIL: &str = "asha.919876543210@example.org";

/// An endpoint, as the OpenAPI document tells of it.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    /// With ids that nobody has.
    pub(crate) path: String,
    /// A body of the right shape, where one is asked for.
    pub(crate) body: Option<Value>,
    pub(crate) authenticated: bool,
}

/// Every endpoint of the committed document: a new one is part of these stories from its first day.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let mut endpoints = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"];
            let secured = operation["security"].as_array();
            endpoints.push(Endpoint {
                method: method.to_uppercase().parse().unwrap(),
                path: path.replace("{id}", "999999").replace("{user_id}", "999999"),
                body: (!body.is_null()).then(|| example(&document, body)),
                authenticated: secured.is_some_and(|all| all.iter().any(|one| one.get("bearer").is_some())),
            });
        }
    }
    assert!(endpoints.iter().filter(|endpoint| endpoint.authenticated).count() >= 19, "{endpoints:?}");
    endpoints
}

/// A value of the shape of `schema`, with what is required and no more.
fn example(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return example(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    if !schema["example"].is_null() {
        return schema["example"].clone();
    }
    if let Some(first) = schema["enum"].as_array().or(schema["oneOf"].as_array()).and_then(|values| values.first()) {
        return if first.is_object() { example(document, first) } else { first.clone() };
    }
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let field = |name: Value| {
            let name = name.as_str().unwrap().to_owned();
            let value = example(document, &properties[&name]);
            (name, value)
        };
        return Value::Object(required.into_iter().map(field).collect::<Map<_, _>>());
    }
    match schema["type"].as_str() {
        Some("string") => json!("Zebra-Quartz-42"),
        Some("integer" | "number") => json!(1),
        Some("array") => json!([]),
        Some("boolean") => json!(true),
        _ => json!({}),
    }
}

impl Endpoint {
    pub(crate) async fn asked(&self, app: &TestApp, bearer: &str) -> Answer {
        let mut request = app.http.request(self.method.clone(), app.at(&self.path)).bearer_auth(bearer);
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        Answer::of(request).await
    }
}

/// One token of each kind but the access token, all of one administrator, and their session.
async fn tokens(app: &TestApp) -> (Session<'_>, BTreeMap<&'static str, String>) {
    app.has_admin(PHONE).await;
    let (session, _) = app.admin_signs_in(PHONE).await;
    let body = json!({ "phone": PHONE, "password": PASSWORD });
    let step = Answer::of(app.http.post(app.at("/api/v1/auth/login?cookies=true")).json(&body)).await.asks_for_more();
    let csrf = app.gets_as(&session.token, "/api/v1/auth/csrf").await.ok();
    app.posts("/api/v1/auth/forgot-password", json!({ "email": EMAIL })).await.ok();
    let reset = eventually("the link", async || {
        let mails = app.mail.messages_to(EMAIL);
        let mail = mails.iter().find(|mail| mail.text.contains("#token="))?;
        let rest = mail.text.split_once("#token=")?.1;
        Some(rest.split(|c: char| c.is_whitespace()).next()?.to_owned())
    });
    let kinds = BTreeMap::from([
        ("refresh token", session.refresh_token().to_owned()),
        ("mfa token", step.text("mfa_token")),
        ("csrf token", csrf.text("csrf_token")),
        ("device cookie", step.cookie("__Host-civiclens_device").value),
        ("reset token", reset.await),
        ("session id", session.id().to_string()),
    ]);
    (session, kinds)
}

fn public(settings: &mut civiclens::config::Settings) {
    settings.server.public_url = Some("https://id.civiclens.example".parse().unwrap());
}

#[actix::test]
async fn no_other_kind_of_token_opens_an_authenticated_endpoint() {
    story_with(public, async |app| {
        let (session, kinds) = tokens(app).await;
        let before = app.row_of(session.id()).await;
        for endpoint in endpoints().iter().filter(|endpoint| endpoint.authenticated) {
            for (kind, token) in &kinds {
                let answer = endpoint.asked(app, token).await;
                assert_eq!(answer.status, 401, "{kind} at {endpoint:?}: {answer:?}");
                answer.refused(401, "unauthenticated");
            }
        }
        for (kind, token) in &kinds {
            let asks = app.http.get(app.at("/api/v1/auth/whoami"));
            let answer = Answer::of(asks.header("Cookie", format!("__Host-civiclens_session={token}"))).await;
            assert_eq!(answer.status, 401, "{kind} as the cookie: {answer:?}");
        }
        assert_eq!(app.row_of(session.id()).await, before);
        session.whoami().await.ok();
    })
    .await;
}

#[actix::test]
async fn the_access_token_opens_every_authenticated_endpoint() {
    story_with(public, async |app| {
        app.signs_up(PHONE).await;
        for endpoint in endpoints().iter().filter(|endpoint| endpoint.authenticated) {
            let session = app.enters(PHONE).await;
            let answer = endpoint.asked(app, &session.token).await;
            // One path has two meanings: without a session it goes on with a sign-in.
            assert_ne!(answer.body["code"], "unauthenticated", "{endpoint:?}: {answer:?}");
            assert!(answer.status < 500, "{endpoint:?}: {answer:?}");
        }
    })
    .await;
}

#[actix::test]
async fn an_access_token_is_not_any_other_kind_and_those_are_not_each_other() {
    story_with(public, async |app| {
        let (session, mut kinds) = tokens(app).await;
        kinds.insert("access token", session.token.clone());
        let others = |own: &'static str| kinds.iter().filter(move |(kind, _)| **kind != own);
        for (kind, token) in others("refresh token") {
            let answer = app.refreshes(token).await;
            assert_eq!(answer.status, 401, "{kind}: {answer:?}");
            answer.refused(401, "refresh_token_invalid");
        }
        for (kind, token) in others("mfa token") {
            for (path, more) in [
                ("/api/v1/auth/verify-2fa", json!({ "code": "123456" })),
                ("/api/v1/auth/send-2fa-sms", json!({})),
                ("/api/v1/auth/enable-2fa", json!({ "method": "totp" })),
            ] {
                let mut body = more;
                body["mfa_token"] = json!(token);
                let answer = app.posts(path, body).await;
                assert_eq!(
                    (answer.status, &answer.body["code"]),
                    (401, &json!("mfa_token_invalid")),
                    "{kind} at {path}"
                );
            }
        }
        for (kind, token) in others("reset token") {
            let body = json!({ "reset_token": token, "new_password": "Lantern-Quartz-77" });
            let answer = app.posts("/api/v1/auth/reset-password", body).await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (401, &json!("reset_token_invalid")),
                "{kind}: {answer:?}"
            );
        }
        for (kind, token) in others("csrf token") {
            let cookies = format!("__Host-civiclens_session={}; __Host-civiclens_csrf={token}", session.token);
            let request = app.http.post(app.at("/api/v1/auth/logout")).header("Cookie", cookies);
            let answer = Answer::of(request.header("X-CSRF-Token", token)).await;
            assert_eq!((answer.status, &answer.body["code"]), (403, &json!("csrf_invalid")), "{kind}");
        }
        // None of it did any harm, and each is still good for what it is.
        session.whoami().await.ok();
        app.refreshes(&kinds["refresh token"]).await.ok();
        let body = json!({ "reset_token": kinds["reset token"], "new_password": "Lantern-Quartz-77" });
        app.posts("/api/v1/auth/reset-password", body).await.ok();
    })
    .await;
}
