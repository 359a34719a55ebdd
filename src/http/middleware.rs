//! What every request goes through, in two layers, with the rules about other origins between them: [`observe`] is the
//! outer one, and sees every answer; [`settle`] is the inner one, so that those rules apply to every error too.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, SET_COOKIE};
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, HttpMessage, HttpResponse};
use civiclens_actors::domain::code::Code;
use futures::FutureExt;
use tracing::Instrument;

use super::request_context::{REQUEST_ID, RequestContext};
use super::tasks::{IfUndelivered, may_change, wait_for_body};
use super::{ApiError, ApiState, NodeState, idle, operators, problem, security_headers};

/// The longest path with its query, in bytes.
const LONGEST_URI: usize = 8 * 1024;
/// The longest value of a header, in bytes: several times an access token, or all cookies of ours.
const LONGEST_HEADER: usize = 8 * 1024;
/// The longest all headers may be together, in bytes.
const LONGEST_HEADERS: usize = 16 * 1024;

/// Gives a request its id, its client's address and its span; gives the answer its id and the security headers, and
/// counts it.
pub(super) async fn observe<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    idle::note_use(&request);
    let node = node(&request)?;
    let context = RequestContext::of(&request, &node);
    request.extensions_mut().insert(context.clone());
    trim_trailing_slash(&mut request);
    let method = request.method().clone();
    let path = request.uri().clone();
    // Asked now, because a request that panics or takes too long is gone afterwards.
    let route = request.match_pattern();
    let span = tracing::info_span!("http", request_id = %context.id, method = %method, path = path.path());

    let outcome = next.call(request).instrument(span.clone()).await;
    let _entered = span.enter();
    let finish = |response: &mut HttpResponse<BoxBody>| {
        let headers = response.headers_mut();
        security_headers::put(headers, path.path(), node.settings.server.hsts, node.api_elsewhere.as_ref());
        if let Ok(id) = HeaderValue::from_str(&context.id) {
            headers.insert(REQUEST_ID, id);
        }
        operators::count(&method, route.as_deref(), response.status(), started.elapsed());
    };
    match outcome {
        Ok(response) => {
            // What the rules about other origins refuse never came as far as the inner layer.
            let mut response = in_our_form(response.map_into_boxed_body(), Some(&context.id));
            finish(response.response_mut());
            Ok(response)
        }
        Err(error) => {
            let mut response = error.error_response();
            finish(&mut response);
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// Lets the endpoint answer, within the time limit and whatever it does, and gives every error the one form.
pub(super) async fn settle<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let node = node(&request)?;
    let context = request.extensions().get::<RequestContext>().cloned();
    let id = context.as_ref().map(|context| Rc::clone(&context.id));
    if let Some(error) = context.and_then(|context| too_many(&request, context.ip, &node)) {
        let response = problem::response(&error, id.as_deref());
        return Err(InternalError::from_response(error, response).into());
    }
    match answer(request, next, &node).await {
        Ok(response) => Ok(in_our_form(response, id.as_deref())),
        // The request is gone with the future that failed, so there is only a response to send.
        Err(error) => {
            let response = problem::response(&error, id.as_deref());
            Err(InternalError::from_response(error, response).into())
        }
    }
}

/// What is asked without a limit by address: how the process does, and who somebody is who is signed in. It costs no look at
/// anything but the node's memory to refuse it.
pub(super) const WITHOUT_LIMIT: [&str; 8] = [
    "/api/v1/auth/whoami",
    "/api/v1/users/me",
    "/api/v1/health",
    "/health",
    "/healthz",
    "/readyz",
    "/version",
    "/metrics",
];

/// Whether the address of a request asked too often.
fn too_many(request: &ServiceRequest, ip: IpAddr, node: &NodeState) -> Option<ApiError> {
    let exempt = &node.settings.rate_limit.exempt_networks;
    if WITHOUT_LIMIT.contains(&request.path()) || exempt.iter().any(|network| network.contains(&ip)) {
        return None;
    }
    let budget = node.requests.admit(ip).err()?;
    let error = ApiError::with_detail(Code::RateLimited, "Too many requests from your network. Wait a little.");
    Some(ApiError { retry_after: Some(budget.reset), ..error.budget(Some(budget)) })
}

fn node(request: &ServiceRequest) -> Result<Data<NodeState>, ApiError> {
    request.app_data::<Data<NodeState>>().cloned().ok_or_else(|| ApiError::new(Code::Internal))
}

/// What the endpoint answers within the time limit. A request that may change something is begun once its body is there, and
/// then goes on to its end, whatever becomes of its connection and however long it takes.
async fn answer<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
    node: &NodeState,
) -> Result<ServiceResponse<BoxBody>, ApiError> {
    check_head(&request)?;
    if request.method() == Method::TRACE {
        let allow = Some("GET, HEAD, POST, PUT, PATCH, DELETE");
        return Err(ApiError { allow, ..ApiError::new(Code::MethodNotAllowed) });
    }
    let server = &node.settings.server;
    let done = async {
        if !may_change(request.method()) {
            return AssertUnwindSafe(next.call(request)).catch_unwind().await;
        }
        wait_for_body(&mut request, server.body_limit_bytes).await;
        node.tasks.run(async move { next.call(request).await }).await.unwrap_or_else(|error| Err(Box::new(error)))
    };
    match tokio::time::timeout(server.request_timeout, done).await {
        Ok(Ok(Ok(response))) => Ok(delivered(response.map_into_boxed_body())),
        Ok(Ok(Err(error))) => Err(known_or_internal(&error)),
        Ok(Err(_panic)) => {
            tracing::error!("an endpoint panicked");
            Err(ApiError::new(Code::Internal))
        }
        Err(_elapsed) => Err(ApiError::new(Code::RequestTimeout)),
    }
}

/// The connection has the response: what would have been done without it is not.
fn delivered(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if let Some(otherwise) = response.response_mut().extensions_mut().remove::<IfUndelivered>() {
        otherwise.delivered();
    }
    response
}

/// Refuses a head that no client of ours sends. The HTTP parser itself would take eight times as much.
fn check_head(request: &ServiceRequest) -> Result<(), ApiError> {
    let uri = request.uri().path_and_query().map_or(0, |path| path.as_str().len());
    if uri > LONGEST_URI {
        return Err(ApiError::new(Code::UriTooLong));
    }
    let lengths = request.headers().iter().map(|(name, value)| (name.as_str().len() + value.len(), value.len()));
    let (whole, longest) = lengths.fold((0, 0), |(whole, longest), (line, value)| (whole + line, longest.max(value)));
    if whole > LONGEST_HEADERS || longest > LONGEST_HEADER {
        return Err(ApiError::new(Code::HeadersTooLarge));
    }
    Ok(())
}

fn known_or_internal(error: &Error) -> ApiError {
    let known = || error.as_error::<ApiError>().cloned();
    known().unwrap_or_else(|| problem::from_status(error.as_response_error().status_code()))
}

fn in_our_form(response: ServiceResponse<BoxBody>, id: Option<&str>) -> ServiceResponse<BoxBody> {
    let Some(error) = error_in_foreign_form(&response) else { return response };
    let mut told = problem::response(&error, id);
    // An endpoint may name a browser with an error as well.
    for cookie in response.headers().get_all(SET_COOKIE) {
        told.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    if let Some(api) = response.request().app_data::<Data<ApiState>>() {
        let has_ended = |session| api.sessions.has_ended(session);
        api.browser.forget_dead(response.request(), &mut told, error.code, has_ended);
    }
    response.into_response(told)
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
