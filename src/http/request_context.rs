//! What the middleware found out about a request, for the endpoints.

use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderMap, HeaderName};

use super::{NodeState, client_address};

/// The header that carries the id of a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the middleware found out about a request.
#[derive(Clone)]
pub(super) struct RequestContext {
    /// Names the request in logs and answers.
    pub(super) id: Rc<str>,
    /// The address of the client.
    pub(super) ip: IpAddr,
}

impl RequestContext {
    /// Looks at a request that just came in.
    pub(super) fn of(request: &ServiceRequest, node: &NodeState) -> Self {
        let id = given_id(request.headers()).map_or_else(|| (node.request_ids)().into(), Rc::from);
        let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
        let server = &node.settings.server;
        let ip = client_address::resolve(peer, request.headers(), server.forwarded, &server.trusted_proxies).address;
        Self { id, ip }
    }
}

/// The id the client gave, where it is harmless to log.
fn given_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (plain && (8..=64).contains(&id.len())).then_some(id)
}
