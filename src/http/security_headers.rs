//! Headers that tell browsers what not to do with an answer.

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::Url;

const NOTHING: &str =
    "default-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The documentation is a page with scripts of its own, which call the API where it is: here, or at `connect-src`.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    font-src 'self'; connect-src 'self'{api}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// The inbox shows e-mails in frames without rights.
const INBOX: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds the headers to the answer for `path`. The documentation may call `api` besides the listener it comes from.
pub(super) fn put(headers: &mut HeaderMap, path: &str, hsts: bool, api: Option<&Url>) {
    let policy = match path {
        docs if docs.starts_with("/docs") => {
            let api = api.map(|url| format!(" {}", url.origin().ascii_serialization())).unwrap_or_default();
            HeaderValue::try_from(DOCS.replace("{api}", &api)).unwrap_or(HeaderValue::from_static(NOTHING))
        }
        "/dev/inbox" => HeaderValue::from_static(INBOX),
        _ => HeaderValue::from_static(NOTHING),
    };
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let mut insert = |name, value| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    insert(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    insert(header::X_FRAME_OPTIONS, "DENY");
    insert(header::REFERRER_POLICY, "no-referrer");
    insert(RESOURCE_POLICY, "same-origin");
    if hsts {
        insert(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
    }
    // Whatever the path is spelled like: who may keep an answer is said by the route that gives it.
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}
