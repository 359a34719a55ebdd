//! The guard against requests that another site makes a browser send.

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderName, ORIGIN};
use civiclens_actors::domain::code::Code;
use civiclens_actors::domain::csrf;
use civiclens_actors::domain::entropy::Exhausted;
use civiclens_actors::domain::principal::SessionId;
use civiclens_actors::domain::secret::Secret;

use super::{Browser, CSRF_HEADER, Kind};
use crate::http::ApiError;

/// Tells, in browsers that have it, from where a request was made.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Browser {
    /// A CSRF token for `session`.
    pub(in crate::http) fn csrf_token(&self, session: SessionId) -> Result<Secret, Exhausted> {
        csrf::token(&self.key, session, &*self.entropy)
    }

    /// Refuses a request that cookies authenticate and that may change something, unless it carries the CSRF token of its
    /// session twice and comes from a page that may send it.
    pub(in crate::http) fn guard(&self, request: &HttpRequest, session: SessionId) -> Result<(), ApiError> {
        if request.method().is_safe() {
            return Ok(());
        }
        self.check_origin(request)?;
        let sent = request.headers().get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        let kept = self.cookie(request, Kind::Csrf);
        let twice = sent.is_some() && sent == kept.as_ref().map(actix_web::cookie::Cookie::value);
        match sent {
            Some(token) if twice && csrf::is_valid(&self.key, session, token) => Ok(()),
            _ => Err(ApiError::with_detail(
                Code::CsrfInvalid,
                "With cookies, send the CSRF token of this session in the X-CSRF-Token header.",
            )),
        }
    }

    /// Refuses what a browser says to come from elsewhere. A client that says nothing is no browser of these years.
    pub(in crate::http) fn check_origin(&self, request: &HttpRequest) -> Result<(), ApiError> {
        let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
        let allowed = match (request.headers().contains_key(ORIGIN), text(ORIGIN)) {
            (true, Some(origin)) => self.origins.iter().any(|known| known == origin) || is_host(origin, text(HOST)),
            (true, None) => false,
            (false, _) => !matches!(text(FETCH_SITE), Some("cross-site" | "same-site")),
        };
        if allowed { Ok(()) } else { Err(ApiError::new(Code::OriginNotAllowed)) }
    }
}

/// Whether `origin` is the host that was asked, over whatever scheme: a proxy may have ended TLS.
fn is_host(origin: &str, host: Option<&str>) -> bool {
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    authority.is_some() && authority == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_same_host_may_and_no_look_alike() {
        assert!(is_host("https://id.example.org", Some("id.example.org")));
        assert!(is_host("http://127.0.0.1:8080", Some("127.0.0.1:8080")));
        for origin in
            ["null", "https://evil.example", "https://id.example.org.evil.example", "https://id.example.orgx", ""]
        {
            assert!(!is_host(origin, Some("id.example.org")), "{origin}");
        }
        assert!(!is_host("https://id.example.org", None));
    }
}
