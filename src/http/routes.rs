//! Which path leads where.

use actix_web::middleware::Compress;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, Resource, Route, guard};
use civiclens_actors::domain::code::Code;
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{ApiError, dev_inbox, openapi, operators, v1, well_known};

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
    pub(super) fn api(self) -> bool {
        matches!(self, Self::All | Self::Public)
    }

    fn metrics(self) -> bool {
        self != Self::Public
    }

    pub(super) fn docs(self) -> bool {
        matches!(self, Self::All | Self::Operators)
    }
}

/// Adds the routes of `surface`. They are tried in this order: the token check comes first, since proxies ask it before every
/// request of theirs, and paths with a variable part, which cost more to try, come after the fixed ones.
pub(super) fn add(config: &mut ServiceConfig, surface: Surface, with_inbox: bool) {
    if surface.api() {
        config
            .service(reading("/api/v1/auth/whoami", get().to(v1::auth::whoami::handle)))
            .service(writing("/api/v1/auth/request-otp", web::post().to(v1::auth::request_otp::handle)))
            .service(writing("/api/v1/auth/verify-otp", web::post().to(v1::auth::verify_otp::handle)))
            .service(writing("/api/v1/auth/password-strength", web::post().to(v1::auth::password_strength::handle)))
            .service(reading("/health", get().to(v1::health::handle)))
            .service(reading("/api/v1/health", get().to(v1::health::handle)))
            .service(reading("/api/v1/users/me", get().to(v1::users::me::handle)))
            .configure(add_sessions)
            .configure(add_sign_in)
            .configure(add_by_id)
            .service(reading("/.well-known/jwks.json", get().to(well_known::jwks::handle)))
            .service(reading("/api/v1/openapi.json", get().to(openapi::handle)));
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
            config.service(reading("/api/v1/openapi.json", get().to(openapi::for_operators)));
        }
        let page = SwaggerUi::new("/{_:.*}").config(Config::from("/api/v1/openapi.json"));
        config
            .service(reading("/docs", get().to(docs_home)))
            .service(web::scope("/docs").wrap(Compress::default()).service(page).default_service(web::to(not_found)));
    }
    config.default_service(web::to(not_found));
}

/// What proves who somebody is.
fn add_sign_in(config: &mut ServiceConfig) {
    use v1::auth;
    let post = web::post;
    config
        .service(writing("/api/v1/auth/signup", post().to(auth::signup::handle)))
        .service(writing("/api/v1/auth/verify-phone", post().to(auth::verify_phone::handle)))
        .service(writing("/api/v1/auth/login", post().to(auth::login::handle)))
        .service(writing("/api/v1/auth/forgot-password", post().to(auth::forgot_password::handle)))
        .service(writing("/api/v1/auth/request-password-reset", post().to(auth::forgot_password::handle)))
        .service(writing("/api/v1/auth/reset-password", post().to(auth::reset_password::handle)))
        .service(writing("/api/v1/auth/change-password", post().to(auth::change_password::handle)))
        .service(writing("/api/v1/auth/verify-password", post().to(auth::verify_password::handle)))
        .service(writing("/api/v1/auth/step-up", post().to(auth::step_up::handle)))
        .service(reading("/api/v1/auth/2fa", get().to(auth::two_factor::handle)))
        .service(writing("/api/v1/auth/enable-2fa", post().to(auth::enable_2fa::handle)))
        .service(writing("/api/v1/auth/verify-2fa", post().to(auth::verify_2fa::handle)))
        .service(writing("/api/v1/auth/send-2fa-sms", post().to(auth::send_2fa_sms::handle)))
        .service(writing("/api/v1/auth/disable-2fa", post().to(auth::disable_2fa::handle)))
        .service(writing("/api/v1/auth/backup-codes", post().to(auth::backup_codes::handle)))
        .service(writing("/api/v1/auth/accept-invitation", post().to(auth::accept_invitation::handle)))
        .service(writing("/api/v1/auth/create-officer", post().to(auth::create_officer::handle)));
}

/// What goes on with sessions and ends them.
fn add_sessions(config: &mut ServiceConfig) {
    use v1::auth;
    let post = web::post;
    config
        .service(writing("/api/v1/auth/refresh-token", post().to(auth::refresh_token::handle)))
        .service(writing("/api/v1/auth/refresh", post().to(auth::refresh_token::handle)))
        .service(reading("/api/v1/auth/csrf", get().to(auth::csrf::handle)))
        .service(writing("/api/v1/auth/logout", post().to(auth::logout::handle)))
        .service(writing("/api/v1/auth/logout-all", post().to(auth::logout_all::handle)))
        .service(writing("/api/v1/auth/logout-others", post().to(auth::logout_others::handle)))
        .service(reading("/api/v1/auth/sessions", get().to(auth::sessions::list::handle)))
        .service(reading("/api/v1/auth/sessions/history", get().to(auth::sessions::history::handle)));
}

/// What names its object in the path.
fn add_by_id(config: &mut ServiceConfig) {
    use v1::admin::users;
    let post = web::post;
    config
        .service(reading("/api/v1/admin/client-address", get().to(v1::admin::client_address::handle)))
        .service(deleting("/api/v1/auth/sessions/{id}", web::delete().to(v1::auth::sessions::end::handle)))
        .service(writing("/api/v1/admin/users/{id}/invite", post().to(users::invite::handle)))
        .service(writing("/api/v1/admin/users/{id}/unlock", post().to(users::unlock::handle)))
        .service(writing("/api/v1/admin/users/{id}/revoke-sessions", post().to(users::revoke_sessions::handle)));
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

fn deleting(path: &str, route: Route) -> Resource {
    web::resource(path).route(route).default_service(web::to(async || method_not_allowed("DELETE")))
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
