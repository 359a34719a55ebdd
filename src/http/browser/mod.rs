//! Sessions of browsers: tokens in cookies that scripts cannot read, guarded against other sites.
//!
//! A browser asks for cookies with `?cookies=true` or an `X-Portal` header. From then on its cookies authenticate it, and
//! every request that may change something must carry the CSRF token of its session, both in a header and in a cookie, and
//! come from a page that may.

mod cookies;
mod csrf;
mod device;

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::HeaderName;
use civiclens_actors::domain::entropy::Entropy;
use civiclens_actors::domain::keys::HashKey;

pub(super) use self::device::DeviceBody;
use super::ApiError;
use super::query::{self, TokenPlace};
use crate::config::{self, Settings};

/// The header in which a page sends its CSRF token.
pub(super) const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
/// The header by which a portal asks for cookies.
pub(super) const PORTAL_HEADER: HeaderName = HeaderName::from_static("x-portal");

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Holds the access token.
    Access,
    /// Holds the refresh token.
    Refresh,
    /// Holds the CSRF token, for scripts of our own pages to read.
    Csrf,
    /// Names the browser.
    Device,
}

/// Left with a request whose refresh token was taken from its cookie: if the token is refused, the cookies are dead.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshCookieUsed;

/// Keeps sessions in browsers. Cheap to clone.
#[derive(Clone)]
pub struct Browser {
    key: HashKey,
    entropy: Arc<dyn Entropy>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    /// Pages that may make a browser change something: our own, and those of the configured origins.
    origins: Vec<String>,
}

impl Browser {
    /// As configured.
    pub fn new(settings: &Settings, entropy: Arc<dyn Entropy>) -> Self {
        let own = settings.server.public_url.as_ref().map(|url| url.origin().ascii_serialization());
        Self {
            key: HashKey::new(&settings.csrf.secret).with_previous(&settings.csrf.previous_secret),
            entropy,
            secure: settings.cookie.secure,
            http_only: settings.cookie.http_only,
            same_site: match settings.cookie.same_site {
                config::SameSite::Strict => SameSite::Strict,
                config::SameSite::Lax => SameSite::Lax,
                config::SameSite::None => SameSite::None,
            },
            origins: settings.server.cors_origins.iter().cloned().chain(own).collect(),
        }
    }

    /// The name of a cookie. `__Host-` makes browsers refuse it unless it is ours alone and travels over HTTPS.
    pub(super) fn name(&self, kind: Kind) -> &'static str {
        match (kind, self.secure) {
            (Kind::Access, true) => "__Host-civiclens_session",
            (Kind::Refresh, true) => "__Host-civiclens_refresh",
            (Kind::Csrf, true) => "__Host-civiclens_csrf",
            (Kind::Device, true) => "__Host-civiclens_device",
            (Kind::Access, false) => "civiclens_session",
            (Kind::Refresh, false) => "civiclens_refresh",
            (Kind::Csrf, false) => "civiclens_csrf",
            (Kind::Device, false) => "civiclens_device",
        }
    }

    /// The value of a cookie that came with a request.
    pub(super) fn cookie(&self, request: &HttpRequest, kind: Kind) -> Option<Cookie<'static>> {
        request.cookie(self.name(kind)).filter(|cookie| !cookie.value().is_empty())
    }
}

/// Whether a client asks for cookies: by `?cookies=true`, or as a portal. A query that cannot be understood is an error, to be
/// told before anything is done.
pub(super) fn wants_cookies(request: &HttpRequest) -> Result<bool, ApiError> {
    let TokenPlace { cookies } = query::read(request.query_string())?;
    let portal = request.headers().get(PORTAL_HEADER).is_some_and(|portal| !portal.is_empty());
    Ok(cookies.unwrap_or(portal))
}
