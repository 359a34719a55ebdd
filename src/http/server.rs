//! The HTTP server.

use std::net::TcpListener;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, CONTENT_TYPE};
use actix_web::middleware::{Condition, from_fn};
use actix_web::web::Data;
use actix_web::{App, HttpServer};

use super::browser::{CSRF_HEADER, PORTAL_HEADER};
use super::middleware::observe;
use super::{ApiState, Surface, routes};

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept; longer than the usual 60 s of a proxy, which then is the one to close it.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long requests under way may finish after a stop. A little more than the longest request is allowed to take.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Starts answering on `listener`. Signals are left to the caller, who stops the server by its handle.
///
/// # Errors
/// When the listener cannot be used.
pub fn run(state: ApiState, listener: TcpListener, surface: Surface) -> std::io::Result<Server> {
    let settings = state.settings.clone();
    let state = Data::new(state);
    let http = &settings.server;
    let grace = (http.request_timeout + STOP_GRACE).as_secs();
    let origins = http.cors_origins.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .configure(|config| routes::add(config, surface, state.inbox.is_some()))
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(from_fn(observe))
    })
    .client_request_timeout(HEAD_TIMEOUT)
    .keep_alive(KEEP_ALIVE)
    .shutdown_timeout(grace)
    .disable_signals();
    if let Some(workers) = http.workers {
        server = server.workers(workers);
    }
    Ok(server.listen(listener)?.run())
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
