//! Which path leads where.

use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route, guard};
use civiclens_actors::domain::code::Code;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{ApiError, dev_inbox, openapi, operators, v1};

/// Which part of the paths a listener answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Everything, in a development environment where operators have no listener of their own.
    All,
    /// What the public needs.
    Public,
    /// What operators need.
    Operators,
    /// What operators need of a process that answers no API.
    Worker,
}

impl Surface {
    fn api(self) -> bool {
        matches!(self, Self::All | Self::Public)
    }

    fn metrics(self) -> bool {
        self != Self::Public
    }

    fn docs(self) -> bool {
        matches!(self, Self::All | Self::Operators)
    }
}

/// Adds the routes of `surface`. The token check comes first: proxies ask it before every request of theirs.
pub(super) fn add(config: &mut ServiceConfig, surface: Surface, with_inbox: bool) {
    if surface.api() {
        config
            .service(reading("/api/v1/auth/whoami", get().to(v1::auth::whoami::handle)))
            .service(writing("/api/v1/auth/request-otp", web::post().to(v1::auth::request_otp::handle)))
            .service(writing("/api/v1/auth/verify-otp", web::post().to(v1::auth::verify_otp::handle)))
            .service(writing("/api/v1/auth/logout", web::post().to(v1::auth::logout::handle)))
            .service(reading("/api/v1/users/me", get().to(v1::users::me::handle)))
            .service(reading("/api/v1/openapi.json", get().to(openapi::handle)).wrap(Compress::default()));
        if with_inbox {
            config
                .service(reading("/dev/inbox", get().to(dev_inbox::page)))
                .service(reading("/dev/inbox.json", get().to(dev_inbox::json)));
        }
    }
    config
        .service(reading("/healthz", get().to(operators::healthz::handle)))
        .service(reading("/readyz", get().to(operators::readyz::handle)))
        .service(reading("/version", get().to(operators::version::handle)));
    if surface.metrics() {
        config.service(reading("/metrics", get().to(operators::metrics::handle)).wrap(Compress::default()));
    }
    if surface.docs() {
        if !surface.api() {
            // The page reads the document from where it is itself served.
            config.service(reading("/api/v1/openapi.json", get().to(openapi::for_operators)).wrap(Compress::default()));
        }
        let page = SwaggerUi::new("/{_:.*}").config(Config::from("/api/v1/openapi.json"));
        config
            .service(reading("/docs", get().to(docs_home)))
            .service(web::scope("/docs").wrap(Compress::default()).service(page).default_service(web::to(not_found)));
    }
    config.default_service(web::to(not_found));
}

/// A route for GET, and for HEAD as HTTP demands.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

fn reading(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(async || method_not_allowed("GET, HEAD")))
}

fn writing(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(async || method_not_allowed("POST")))
}

fn method_not_allowed(allow: &'static str) -> Result<HttpResponse, ApiError> {
    Err(ApiError { allow: Some(allow), ..ApiError::new(Code::MethodNotAllowed) })
}

async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(Code::NotFound))
}

async fn docs_home() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header(("Location", "/docs/index.html")).finish()
}
