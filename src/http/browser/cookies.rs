//! Setting cookies and taking them away.

use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use civiclens_actors::domain::code::Code;
use civiclens_actors::domain::principal::SessionId;
use civiclens_actors::domain::refresh;
use civiclens_actors::domain::secret::Secret;
use civiclens_actors::sessions::Opened;

use super::{Browser, Kind, RefreshCookieUsed};

/// How long a browser is known again.
const DEVICE_AGE: CookieAge = CookieAge::days(365);
/// The cookies that make a session.
const SESSION: [Kind; 3] = [Kind::Access, Kind::Refresh, Kind::Csrf];
/// Tells a browser to forget what it keeps of us.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

impl Browser {
    fn bake(&self, kind: Kind, value: &str, age: CookieAge) -> Cookie<'static> {
        let same_site = if kind == Kind::Access || kind == Kind::Device { self.same_site } else { SameSite::Strict };
        Cookie::build(self.name(kind), value.to_owned())
            .path("/")
            .secure(self.secure)
            .http_only(self.http_only && kind != Kind::Csrf)
            .same_site(same_site)
            .max_age(age)
            .finish()
    }

    /// Puts the tokens of a session into cookies, `csrf` being its CSRF token.
    pub(in crate::http) fn keep(&self, response: &mut HttpResponse, opened: &Opened, csrf: &Secret) {
        let age = |length: std::time::Duration| CookieAge::try_from(length).unwrap_or(CookieAge::ZERO);
        let session = age(opened.session_expires_in);
        for cookie in [
            self.bake(Kind::Access, opened.access_token.expose(), age(opened.expires_in)),
            self.bake(Kind::Refresh, opened.refresh_token.expose(), session),
            self.bake(Kind::Csrf, csrf.expose(), session),
        ] {
            add(response, &cookie);
        }
    }

    /// Puts the CSRF token of a session into its cookie.
    pub(in crate::http) fn keep_csrf(&self, response: &mut HttpResponse, token: &Secret) {
        add(response, &self.bake(Kind::Csrf, token.expose(), CookieAge::days(30)));
    }

    /// Names the browser from now on.
    pub(super) fn keep_device(&self, response: &mut HttpResponse, value: &Secret) {
        add(response, &self.bake(Kind::Device, value.expose(), DEVICE_AGE));
    }

    /// Takes the cookies of a session away. The browser stays known.
    pub(in crate::http) fn forget(&self, response: &mut HttpResponse) {
        self.clear(response, &SESSION);
        response.headers_mut().insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\", \"storage\""));
    }

    /// Takes away the cookies that were sent with a request and can never be good again, as a 401 found out. A refresh token
    /// stays while its session may go on: it is what the browser gets its next access token with.
    pub(in crate::http) fn forget_dead(
        &self,
        request: &HttpRequest,
        response: &mut HttpResponse,
        refused: Code,
        has_ended: impl Fn(SessionId) -> bool,
    ) {
        let refresh = self.cookie(request, Kind::Refresh);
        let over = refresh
            .as_ref()
            .is_some_and(|cookie| refresh::parse(cookie.value()).is_none_or(|token| has_ended(token.session_id())));
        match refused {
            Code::RefreshTokenInvalid if request.extensions().get::<RefreshCookieUsed>().is_some() => {
                self.clear(response, &SESSION);
            }
            // With a header, nobody looked at the cookies.
            Code::Unauthenticated if request.headers().contains_key(AUTHORIZATION) => {}
            Code::Unauthenticated if over => self.clear(response, &SESSION),
            Code::Unauthenticated if self.cookie(request, Kind::Access).is_some() => {
                self.clear(response, if refresh.is_some() { &[Kind::Access] } else { &SESSION });
            }
            _ => {}
        }
    }

    fn clear(&self, response: &mut HttpResponse, kinds: &[Kind]) {
        for kind in kinds {
            add(response, &self.bake(*kind, "", CookieAge::ZERO));
        }
    }
}

/// A cookie of ours always is a valid header.
fn add(response: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Err(error) = response.add_cookie(cookie) {
        tracing::error!(%error, "a cookie could not be set");
    }
}
