//! The `OpenAPI` document, made from the endpoints themselves, completed by `rules`, and answered by `served`.

mod rules;
mod served;

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use url::Url;
use utoipa::openapi::Server;
use utoipa::{Modify, OpenApi};

pub(super) use self::served::Served;
use super::{operators, problem, v1, well_known};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "CivicLens Identity",
        description = "Who a person is, how they prove it, and what they may do.\n\nEvery error is an RFC 9457 \
                       problem document whose `code` is stable.",
        contact(name = "CivicLens")
    ),
    servers((url = "/", description = "Where this document comes from")),
    paths(
        v1::auth::request_otp::handle,
        v1::auth::verify_otp::handle,
        v1::auth::whoami::handle,
        v1::auth::signup::handle,
        v1::auth::verify_phone::handle,
        v1::auth::login::handle,
        v1::auth::verify_2fa::handle,
        v1::auth::send_2fa_sms::handle,
        v1::auth::enable_2fa::handle,
        v1::auth::step_up::handle,
        v1::auth::two_factor::handle,
        v1::auth::disable_2fa::handle,
        v1::auth::backup_codes::handle,
        v1::auth::forgot_password::handle,
        v1::auth::reset_password::handle,
        v1::auth::change_password::handle,
        v1::auth::verify_password::handle,
        v1::auth::refresh_token::handle,
        v1::auth::csrf::handle,
        v1::auth::logout::handle,
        v1::auth::logout_all::handle,
        v1::auth::logout_others::handle,
        v1::auth::sessions::list::handle,
        v1::auth::sessions::history::handle,
        v1::auth::sessions::end::handle,
        v1::auth::create_officer::handle,
        v1::auth::accept_invitation::handle,
        v1::admin::users::invite::handle,
        v1::admin::client_address::handle,
        v1::admin::users::unlock::handle,
        v1::admin::users::revoke_sessions::handle,
        v1::auth::password_strength::handle,
        v1::users::me::handle,
        v1::health::handle,
        well_known::jwks::handle,
        operators::healthz::handle,
        operators::readyz::handle,
        operators::metrics::handle,
        operators::version::handle,
    ),
    tags(
        (name = "auth", description = "Signing in and out"),
        (name = "administration", description = "For administrators"),
        (name = "users", description = "Users"),
        (name = "clients", description = "What apps ask of the service itself"),
        (name = "operators", description = "For those who run the service")
    ),
    components(schemas(problem::Problem)),
    modifiers(&Completed)
)]
struct Document;

/// Adds what holds by rule.
struct Completed;

impl Modify for Completed {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        rules::apply(document);
    }
}

/// The `OpenAPI` 3.1 document of the API, as pretty JSON with a line feed at its end.
pub fn openapi() -> String {
    let mut text = Document::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// The document as it is answered. Clients of the API know where they asked; the page of operators must be told where the API
/// is, since their listener has none.
pub(super) fn served_at(api: Option<&Url>) -> Served {
    let mut document = Document::openapi();
    document.servers = api.map(|url| vec![Server::new(url.as_str().trim_end_matches('/'))]);
    Served::new(document.to_json().unwrap_or_default())
}

pub(super) async fn handle(request: HttpRequest) -> HttpResponse {
    served::DOCUMENT.answer(&request)
}

pub(super) async fn for_operators(request: HttpRequest, document: Data<Served>) -> HttpResponse {
    document.answer(&request)
}
