//! What holds of many endpoints alike, written into the document by rule instead of beside each of them.
//!
//! What an endpoint says itself stands; a rule adds what it does not say.

use actix_web::http::Method;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::response::Response;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    Components, ContentBuilder, Object, OpenApi, PathItem, Ref, RefOr, ResponseBuilder, Schema, Type,
};

use crate::http::middleware::WITHOUT_LIMIT;
use crate::http::problem::MEDIA_TYPE;

/// A request authenticates itself by one of these.
const BEARER: &str = "bearer";
/// The same, for browsers.
const COOKIE: &str = "session_cookie";
/// What must come with the cookie where something may change.
const CSRF: &str = "csrf_token";
/// What an error status means here.
fn meaning(status: &str) -> &'static str {
    match status {
        "400" => "The request could not be read: it is malformed, or names a field or a query parameter twice.",
        "401" => "Nobody is signed in, the token is not valid, or a proof of who asks is wrong.",
        "403" => "Not allowed: to who asks, from this page, or without the CSRF token or a recent proof.",
        "404" => "Not there, or not for who asks to know of.",
        "408" => "The request took too long to arrive or to answer.",
        "409" => "The request contradicts what is already there.",
        "413" => "The body is too long.",
        "414" => "The address is too long.",
        "415" => "The body is not JSON in UTF-8, or no content type says that it is.",
        "422" => {
            "Well-formed, but a value is not acceptable: `errors` names each, and `detail` says the same in a sentence."
        }
        "429" => "A limit was reached: `Retry-After` says when to try again.",
        "431" => "The headers are too long.",
        "500" => "Something went wrong inside.",
        "503" => "A part that this needs is away, or too much is waiting: `Retry-After` says when to try again.",
        _ => "The request was refused.",
    }
}

/// Completes every operation of `document`.
pub(super) fn apply(document: &mut OpenApi) {
    let mut components = document.components.take().unwrap_or_default();
    add_schemes(&mut components);
    for (path, item) in &mut document.paths.paths {
        for (method, operation) in operations(item) {
            complete(path, &method, operation, &components);
        }
    }
    document.components = Some(components);
}

fn operations(item: &mut PathItem) -> Vec<(Method, &mut Operation)> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    let all = [
        (Method::GET, get),
        (Method::PUT, put),
        (Method::POST, post),
        (Method::DELETE, delete),
        (Method::PATCH, patch),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?))).collect()
}

fn add_schemes(components: &mut Components) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let cookie = ApiKeyValue::with_description("__Host-civiclens_session", "The access token of a browser.");
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    let csrf = ApiKeyValue::with_description("X-CSRF-Token", "The CSRF token of the session, also in its cookie.");
    components.add_security_scheme(CSRF, SecurityScheme::ApiKey(ApiKey::Header(csrf)));
}

fn complete(path: &str, method: &Method, operation: &mut Operation, components: &Components) {
    if operation.description.is_none() {
        operation.description.clone_from(&operation.summary);
    }
    let secured = secure(method, operation);
    for status in statuses(path, operation, secured) {
        let responses = &mut operation.responses.responses;
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem()));
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            describe(status, response, components);
        }
    }
}

/// Lets a browser's cookie stand for the bearer token, and says where nothing is needed. Answers whether a session may be.
fn secure(method: &Method, operation: &mut Operation) -> bool {
    let none: [&str; 0] = [];
    let bearer = SecurityRequirement::new(BEARER, none);
    let security = operation.security.get_or_insert_default();
    let secured = security.contains(&bearer);
    if secured {
        let cookie = SecurityRequirement::new(COOKIE, none);
        security.push(if method.is_safe() { cookie } else { cookie.add(CSRF, none) });
    }
    secured
}

/// The errors that an operation may answer for what it is: with a body, for a session, within a limit.
fn statuses(path: &str, operation: &Operation, secured: bool) -> Vec<&'static str> {
    let mut statuses = vec!["408", "431", "500", "503"];
    if operation.request_body.is_some() {
        statuses.extend(["400", "413", "415", "422"]);
    }
    for parameter in operation.parameters.iter().flatten() {
        match parameter {
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Query => statuses.extend(["400", "422"]),
            RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Path => statuses.push("404"),
            _ => {}
        }
    }
    if secured {
        statuses.extend(["401", "403"]);
    }
    if !WITHOUT_LIMIT.contains(&path) {
        statuses.push("429");
    }
    statuses
}

fn problem() -> Response {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new().content(MEDIA_TYPE, content).build()
}

fn describe(status: &str, response: &mut Response, components: &Components) {
    if response.description.is_empty() {
        let error = status.starts_with(['4', '5']);
        let said = if error { None } else { of_schema(response, components) };
        response.description = said.unwrap_or_else(|| if error { meaning(status) } else { "Done." }.to_owned());
    }
    if matches!(status, "429" | "503") {
        let wait = HeaderBuilder::new()
            .description(Some("Seconds to wait before trying again."))
            .schema(Some(Object::with_type(Type::Integer)))
            .build();
        response.headers.entry("Retry-After".to_owned()).or_insert(RefOr::T(wait));
    }
}

/// What the schema of an answer says of itself.
fn of_schema(response: &Response, components: &Components) -> Option<String> {
    let RefOr::T(content) = response.content.values().next()? else { return None };
    let Some(RefOr::Ref(place)) = &content.schema else { return None };
    let name = place.ref_location.rsplit('/').next()?;
    let RefOr::T(schema) = components.schemas.get(name)? else { return None };
    let said = match schema {
        Schema::Object(schema) => &schema.description,
        Schema::Array(schema) => &schema.description,
        Schema::OneOf(schema) => &schema.description,
        Schema::AllOf(schema) => &schema.description,
        Schema::AnyOf(schema) => &schema.description,
        _ => return None,
    };
    said.clone()
}
