//! Extractor for JSON bodies.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{BytesMut, Data};
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use civiclens_actors::domain::code::Code;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use utoipa::ToSchema;

use super::{ApiError, ApiState, bounds};

/// A body that is JSON and has the shape of `T`. Fields that `T` does not know are passed over, so that a client may
/// be newer than the service.
#[derive(Debug)]
pub struct ValidJson<T>(pub T);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for ValidJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<Data<ApiState>>().map_or(0, |state| state.settings.server.body_limit_bytes);
        let acceptable = check_headers(request, limit);
        let payload = payload.take();
        Box::pin(async move {
            acceptable?;
            let body = read(payload, limit).await?;
            parse_within_bounds(&body).map(Self)
        })
    }
}

/// A body like [`ValidJson`]'s, or none at all.
///
/// Clients differ in what they send where nothing is needed, so the content type of an empty body or an empty object is not
/// looked at.
#[derive(Debug)]
pub struct OptionalJson<T>(pub Option<T>);

impl<T: DeserializeOwned + ToSchema + 'static> FromRequest for OptionalJson<T> {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request.app_data::<Data<ApiState>>().map_or(0, |state| state.settings.server.body_limit_bytes);
        let short_enough = check_length(request, limit);
        // Without a content type it can only be meant as JSON.
        let acceptable = if has_content_type(request) { check_type(request) } else { check_encoding(request) };
        let payload = payload.take();
        Box::pin(async move {
            short_enough?;
            let body = read(payload, limit).await?;
            let text = body.trim_ascii();
            if text.is_empty() {
                return Ok(Self(None));
            }
            if !is_empty_object(text) {
                acceptable?;
            }
            parse_within_bounds(&body).map(|value| Self(Some(value)))
        })
    }
}

fn has_content_type(request: &HttpRequest) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|value| !value.is_empty())
}

fn is_empty_object(text: &[u8]) -> bool {
    let inside = text.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}"));
    inside.is_some_and(|inside| inside.trim_ascii().is_empty())
}

/// Refuses a body that is not JSON in UTF-8, by its headers, or that is too long by its own word.
fn check_headers(request: &HttpRequest, limit: usize) -> Result<(), ApiError> {
    check_type(request)?;
    check_length(request, limit)
}

fn check_encoding(request: &HttpRequest) -> Result<(), ApiError> {
    let encoded = request.headers().get_all(CONTENT_ENCODING).any(|value| value != "identity");
    if encoded { Err(wrong_type()) } else { Ok(()) }
}

/// JSON travels as UTF-8 (RFC 8259): another `charset` says that the bytes mean something else.
fn check_type(request: &HttpRequest) -> Result<(), ApiError> {
    check_encoding(request)?;
    let once = request.headers().get_all(CONTENT_TYPE).count() == 1;
    let Ok(Some(media_type)) = request.mime_type() else { return Err(wrong_type()) };
    let utf8 = media_type.get_param("charset").is_none_or(|charset| charset.as_str().eq_ignore_ascii_case("utf-8"));
    if once && utf8 && media_type.essence_str() == "application/json" { Ok(()) } else { Err(wrong_type()) }
}

fn wrong_type() -> ApiError {
    let detail = "The body must be JSON in UTF-8, sent as application/json and not compressed.";
    ApiError::with_detail(Code::UnsupportedMediaType, detail)
}

fn check_length(request: &HttpRequest, limit: usize) -> Result<(), ApiError> {
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) { Err(too_large(limit)) } else { Ok(()) }
}

fn too_large(limit: usize) -> ApiError {
    ApiError::with_detail(Code::PayloadTooLarge, format!("The body may be at most {limit} bytes long."))
}

async fn read(mut payload: Payload, limit: usize) -> Result<BytesMut, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| match error {
            PayloadError::Overflow => too_large(limit),
            _ => ApiError::with_detail(Code::MalformedRequest, "The body did not arrive whole."),
        })?;
        if body.len() + chunk.len() > limit {
            return Err(too_large(limit));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Reads the body, and holds what is in it to the bounds that are documented of `T`.
fn parse_within_bounds<T: DeserializeOwned + ToSchema + 'static>(body: &[u8]) -> Result<T, ApiError> {
    let value = parse(body)?;
    let values = serde_json::from_slice(body).map_err(|error| refuse(".", &error))?;
    let faults = bounds::check::<T>(&values);
    if faults.is_empty() { Ok(value) } else { Err(ApiError::fields(faults)) }
}

/// Reads the body. Error texts never repeat what was sent: it may be a password.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // Serde would also fill a struct from a list, by position; no client means that.
    if body.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<serde::de::IgnoredAny>(body).map_err(|error| refuse(".", &error))?;
        return Err(ApiError::invalid("body", "invalid_type", "The body must be an object."));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        refuse(&path, error.inner())
    })?;
    reader.end().map_err(|error| refuse(".", &error))?;
    Ok(value)
}

fn refuse(path: &str, error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    let malformed = |what: &str| {
        let place = format!("line {} column {}", error.line(), error.column());
        ApiError::with_detail(Code::MalformedRequest, format!("The body {what} (at {place})."))
    };
    if error.classify() != Category::Data {
        return malformed("is not well-formed JSON");
    }
    if text.starts_with("duplicate field") {
        return malformed("names a field twice");
    }
    if let Some(name) = quoted(&text, "missing field `") {
        let field = if path == "." { name.to_owned() } else { format!("{path}.{name}") };
        return ApiError::invalid(&field, "required", format!("{field} is required."));
    }
    // "invalid type: string "…", expected a map at line 1 column 2": only what was expected is ours to repeat.
    let expected = text.rsplit_once(", expected ").map(|(_, rest)| rest.split(" at line ").next().unwrap_or(rest));
    let (field, name) = if path == "." { ("body", "The body") } else { (path, path) };
    let message =
        expected.map_or_else(|| format!("{name} is not valid."), |what| format!("{name} must be {}.", plain(what)));
    ApiError::invalid(field, "invalid_type", message)
}

/// What serde expected, without the names of Rust's types.
fn plain(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        what if what.starts_with("struct ") || what == "a map" => "an object",
        what => what,
    }
}

fn quoted<'a>(text: &'a str, before: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.split('`').next()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        #[expect(dead_code, reason = "only its parsing is of interest")]
        phone: String,
        #[expect(dead_code, reason = "only its parsing is of interest")]
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "only its parsing is of interest")]
        number: u8,
    }

    fn refused(body: &str) -> (u16, String) {
        let error = parse::<Body>(body.as_bytes()).unwrap_err();
        let field = error.fields.first().map(|field| format!("{} {} {}", field.field, field.code, field.message));
        (error.code.status(), field.unwrap_or_default())
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        assert!(parse::<Body>(br#"{"phone": "1", "later": true}"#).is_ok());
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for body in ["", "{", "{\"phone\": }", "{\"phone\":\"1\"} x", "{\"phone\":\"1\",\"phone\":\"2\"}", "\u{1}"] {
            assert_eq!(refused(body), (400, String::new()), "{body}");
        }
        assert_eq!(parse::<Body>(b"{\"phone\": \"\xff\"}").unwrap_err().code.status(), 400);
    }

    #[test]
    fn a_wrong_shape_names_the_field_and_hides_the_value() {
        assert_eq!(refused("{}"), (422, "phone required phone is required.".to_owned()));
        assert_eq!(refused(r#"{"phone": 4711}"#), (422, "phone invalid_type phone must be a string.".to_owned()));
        let inner = refused(r#"{"phone": "1", "inner": {"number": "hunter2, expected nothing"}}"#);
        assert_eq!(inner, (422, "inner.number invalid_type inner.number must be a whole number.".to_owned()));
        assert_eq!(refused(r#"{"phone": "1", "inner": {}}"#).1, "inner.number required inner.number is required.");
        assert_eq!(refused("[\"1\", null]").1, "body invalid_type The body must be an object.");
        assert_eq!(refused("4").1, "body invalid_type The body must be an object.");
        assert_eq!(refused("[").0, 400);
    }
}
