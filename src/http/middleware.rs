//! What every request goes through, in one layer: an id, the client's address, a span, a time limit, a net for panics,
//! counters, security headers, and one form for every error.

use std::panic::AssertUnwindSafe;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};
use civiclens_actors::domain::code::Code;
use futures::FutureExt;
use tracing::Instrument;

use super::request_context::{REQUEST_ID, RequestContext};
use super::{ApiError, ApiState, operators, problem, security_headers};

/// Runs a request through all of it.
pub(super) async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let Some(state) = request.app_data::<Data<ApiState>>().cloned() else {
        return Err(ApiError::new(Code::Internal).into());
    };
    let context = RequestContext::of(&request, &state);
    request.extensions_mut().insert(context.clone());
    trim_trailing_slash(&mut request);
    let method = request.method().clone();
    let path = request.uri().clone();
    let span = tracing::info_span!("http", request_id = %context.id, method = %method, path = path.path());

    let outcome = answer(request, next, &state).instrument(span.clone()).await;
    let _entered = span.enter();
    let finish = |response: &mut HttpResponse<BoxBody>, route: Option<&str>| {
        let headers = response.headers_mut();
        security_headers::put(headers, path.path(), state.settings.server.hsts);
        if let Ok(id) = HeaderValue::from_str(&context.id) {
            headers.insert(REQUEST_ID, id);
        }
        operators::count(&method, route, response.status(), started.elapsed());
    };
    match outcome {
        Ok(mut response) => {
            if let Some(error) = error_in_foreign_form(&response) {
                response = response.into_response(problem::response(&error, Some(&context.id)));
            }
            let route = response.request().match_pattern();
            finish(response.response_mut(), route.as_deref());
            Ok(response)
        }
        // The request is gone with the future that failed, so there is only a response to send.
        Err(error) => {
            let mut response = problem::response(&error, Some(&context.id));
            finish(&mut response, None);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// Lets the rest of the stack answer, within the time limit and whatever it does.
async fn answer<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
    state: &ApiState,
) -> Result<ServiceResponse<BoxBody>, ApiError> {
    if request.method() == Method::TRACE {
        let allow = Some("GET, HEAD, POST, PUT, PATCH, DELETE");
        return Err(ApiError { allow, ..ApiError::new(Code::MethodNotAllowed) });
    }
    let work = AssertUnwindSafe(next.call(request)).catch_unwind();
    match tokio::time::timeout(state.settings.server.request_timeout, work).await {
        Ok(Ok(Ok(response))) => Ok(response.map_into_boxed_body()),
        Ok(Ok(Err(error))) => Err(known_or_internal(&error)),
        Ok(Err(_panic)) => {
            tracing::error!("an endpoint panicked");
            Err(ApiError::new(Code::Internal))
        }
        Err(_elapsed) => Err(ApiError::new(Code::RequestTimeout)),
    }
}

fn known_or_internal(error: &Error) -> ApiError {
    let known = || error.as_error::<ApiError>().cloned();
    known().unwrap_or_else(|| problem::from_status(error.as_response_error().status_code()))
}

/// The error to tell of in our own form: an [`ApiError`], which lacks the request's id so far, or one that something
/// below the endpoints answered in a form of its own. `None` for an answer that is fine as it is.
fn error_in_foreign_form(response: &ServiceResponse<BoxBody>) -> Option<ApiError> {
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return None;
    }
    if let Some(error) = response.response().error() {
        return Some(known_or_internal(error));
    }
    let content_type = response.headers().get(CONTENT_TYPE);
    let json = content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/"));
    (!json).then(|| problem::from_status(status))
}

/// Makes `/path/` the same as `/path`. The documentation's own pages are left alone: their links are relative.
fn trim_trailing_slash(request: &mut ServiceRequest) {
    let path = request.uri().path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.len() == path.len() || trimmed.is_empty() || trimmed == "/docs" {
        return;
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = format!("{trimmed}{query}").parse().ok();
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}
