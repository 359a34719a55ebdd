//! The HTTP server.

use std::net::TcpListener;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::body::BoxBody;
use actix_web::dev::{Server, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, Error, HttpServer};

use super::browser::{CSRF_HEADER, PORTAL_HEADER};
use super::middleware::{observe, settle};
use super::{ApiState, NodeState, Surface, idle, openapi, routes};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take to begin with one. Shorter, so that a connection that is not used is closed and not answered.
const UNUSED_TIMEOUT: Duration = Duration::from_millis(4_500);
/// How long an idle connection is kept; longer than the usual 60 s of a proxy, which then is the one to close it.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests under way may finish after a stop. A little more than the longest request is allowed to take.
pub(crate) const STOP_GRACE: Duration = Duration::from_secs(2);

/// Starts answering on `listener`; without `api` what needs no component. Signals are left to the caller, who stops the
/// server by its handle.
///
/// # Errors
/// When the listener cannot be used.
pub fn run(node: NodeState, api: Option<ApiState>, listener: TcpListener, surface: Surface) -> std::io::Result<Server> {
    let settings = node.settings.clone();
    // Made before the first request, and once for all workers.
    let operators = (!surface.api() && surface.docs()).then(|| openapi::served_at(node.api_elsewhere.as_ref()));
    let (node, api, operators) = (Data::new(node), api.map(Data::new), operators.map(Data::new));
    let http = &settings.server;
    let grace = (http.request_timeout + STOP_GRACE).as_secs();
    let mut server = HttpServer::new(move || {
        layered(node.clone(), &|config| {
            if let Some(api) = &api {
                config.app_data(api.clone());
            }
            if let Some(document) = &operators {
                config.app_data(document.clone());
            }
            routes::add(config, surface, api.as_ref().is_some_and(|api| api.inbox.is_some()));
        })
    })
    .on_connect(|connection, kept| idle::close_unused(connection, kept, UNUSED_TIMEOUT))
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(grace)
    // Who closes before the answer is there has hung up: HTTP has no use for half a connection, and this way it is noticed.
    .h1_allow_half_closed(false)
    .disable_signals();
    if let Some(workers) = http.workers {
        server = server.workers(workers);
    }
    Ok(server.listen(listener)?.run())
}

/// The routes that `configure` adds, with what every request goes through around them.
pub(super) fn layered(
    node: Data<NodeState>,
    configure: &dyn Fn(&mut ServiceConfig),
) -> App<
    impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
    + use<>,
> {
    let origins = node.settings.server.cors_origins.clone();
    App::new()
        .app_data(node)
        .configure(configure)
        .wrap(from_fn(settle))
        .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
        .wrap(from_fn(observe))
}

/// Lets the browsers of the configured origins call the API and read what it says in headers.
fn cors(origins: &[String]) -> Cors {
    let base = Cors::default()
        .allowed_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE, ACCEPT_LANGUAGE])
        .allowed_header("X-Request-Id")
        .allowed_header(CSRF_HEADER)
        .allowed_header(PORTAL_HEADER)
        // Only the configured origins are ever answered, so their pages may use the session in cookies.
        .supports_credentials()
        .expose_headers(["X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"])
        .max_age(3600);
    origins.iter().fold(base, |cors, origin| cors.allowed_origin(origin))
}
