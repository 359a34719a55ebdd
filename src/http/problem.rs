//! Errors on the wire: RFC 9457 `application/problem+json`.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use civiclens_actors::domain::code::{Code, FieldError};
use civiclens_actors::domain::limit::Budget;
use serde::Serialize;
use utoipa::ToSchema;

use super::ApiError;

/// The media type of an error.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// An error (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem<'a> {
    /// A stable name for the kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "urn:civiclens:problem:otp_invalid")]
    kind: String,
    /// A short title, the same for every occurrence.
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 401)]
    status: u16,
    /// A sentence for a person.
    detail: &'a str,
    /// The stable code to branch on.
    #[schema(example = "otp_invalid")]
    code: &'static str,
    /// Names this request in the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    /// The fields at fault; on 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldFault<'a>>,
    /// Seconds to wait; on 429 and 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// On `mfa_required` and `mfa_enrolment_required`: proves the steps so far, and opens nothing but the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    mfa_token: Option<&'a str>,
    /// With `mfa_token`: what the next step may be (`password`, `totp`, `sms`, `backup_code`), or what may be set up.
    #[serde(skip_serializing_if = "Option::is_none")]
    methods: Option<&'a [&'static str]>,
    /// With `mfa_token`: seconds until it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
}

/// A field at fault.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FieldError)]
struct FieldFault<'a> {
    /// The field, as a path.
    field: &'a str,
    /// A stable code.
    code: &'a str,
    /// A sentence for a person.
    message: Cow<'a, str>,
}

impl<'a> From<&'a FieldError> for FieldFault<'a> {
    fn from(error: &'a FieldError) -> Self {
        Self { field: &error.field, code: &error.code, message: sentence(&error.message) }
    }
}

/// The answer that tells a client of `error`.
pub(super) fn response(error: &ApiError, request_id: Option<&str>) -> HttpResponse {
    let retry_after = error.retry_after.map(whole_seconds);
    let detail = detail(error);
    let next = error.next_step.as_ref();
    let body = Problem {
        kind: format!("urn:civiclens:problem:{}", error.code.as_str()),
        title: error.code.title(),
        status: error.code.status(),
        detail: &detail,
        code: error.code.as_str(),
        request_id,
        errors: error.fields.iter().map(FieldFault::from).collect(),
        retry_after,
        mfa_token: next.map(|next| next.mfa_token.expose()),
        methods: next.map(|next| next.methods.as_slice()),
        expires_in: next.map(|next| whole_seconds(next.expires_in)),
    };
    let mut response = HttpResponse::build(error.status()).json(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    if let Some(seconds) = retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if error.code == Code::StepUpRequired {
        // RFC 9470: the token is good, the proof behind it is too old.
        let challenge = "Bearer error=\"insufficient_user_authentication\"";
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    if error.code == Code::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(methods) = error.allow {
        headers.insert(ALLOW, HeaderValue::from_static(methods));
    }
    if let Some(budget) = error.budget {
        put_budget(&mut response, budget);
    }
    response
}

/// What a person is told. Where fields are at fault it is their sentences, joined: some clients show nothing else.
fn detail(error: &ApiError) -> Cow<'_, str> {
    if error.fields.is_empty() {
        return Cow::Borrowed(&error.detail);
    }
    let sentences: Vec<Cow<'_, str>> = error.fields.iter().map(|field| sentence(&field.message)).collect();
    Cow::Owned(sentences.join(" "))
}

/// A message with a capital at its start and a mark at its end, so that several can stand one after the other.
fn sentence(message: &str) -> Cow<'_, str> {
    let mut rest = message.chars();
    let Some(first) = rest.next() else { return Cow::Borrowed(message) };
    // A name of a field stays as it is written.
    let word = message.split(' ').next().unwrap_or_default();
    let plain = word.chars().all(|letter| letter.is_ascii_alphabetic() || letter == '\'');
    let ended = message.ends_with(['.', '!', '?', '।']);
    if ended && (!plain || !first.is_lowercase()) {
        return Cow::Borrowed(message);
    }
    let start: String = if plain { first.to_uppercase().collect() } else { first.to_string() };
    Cow::Owned(format!("{start}{}{}", rest.as_str(), if ended { "" } else { "." }))
}

/// Adds the `RateLimit-*` headers.
pub(super) fn put_budget(response: &mut HttpResponse, budget: Budget) {
    use actix_web::http::header::HeaderName;
    for (name, value) in [
        ("ratelimit-limit", u64::from(budget.limit)),
        ("ratelimit-remaining", u64::from(budget.remaining)),
        ("ratelimit-reset", whole_seconds(budget.reset)),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
}

/// What to say where something below the endpoints answered `status` in a form of its own.
pub(super) fn from_status(status: StatusCode) -> ApiError {
    let plain = match status.as_u16() {
        401 => Code::Unauthenticated,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        408 => Code::RequestTimeout,
        409 => Code::Conflict,
        413 => Code::PayloadTooLarge,
        414 => Code::UriTooLong,
        415 => Code::UnsupportedMediaType,
        422 => Code::Invalid,
        431 => Code::HeadersTooLarge,
        429 => Code::RateLimited,
        503 => Code::DependencyUnavailable,
        500.. => Code::Internal,
        _ => Code::MalformedRequest,
    };
    ApiError::new(plain)
}

/// Whole seconds, rounded up: who waits that long has waited long enough.
pub(super) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
