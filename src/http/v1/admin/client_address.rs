//! `GET /api/v1/admin/client-address`.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::HttpRequest;
use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Administrator, ApiState, client_address};

/// The most of a header entry that is shown.
const SHOWN: usize = 128;

/// From which address this request came, and how that was found out.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ClientAddress {
    /// The address that limits count and records show.
    #[schema(example = "203.0.113.9")]
    address: String,
    /// The address that the connection came from.
    #[schema(example = "10.0.0.1")]
    peer: String,
    /// Whether the peer is in `server.trusted_proxies`; else its headers are not read.
    peer_is_trusted: bool,
    /// The header that trusted proxies write.
    #[schema(example = "x-forwarded-for")]
    header: &'static str,
    /// The entry of the header that named the address; `null` where the connection did.
    #[schema(example = "203.0.113.9:4711")]
    entry: Option<String>,
    /// Its place in the header, from the right, from 1.
    #[schema(example = 1, minimum = 1)]
    entry_from_right: Option<usize>,
    /// Why no further entry was read: `not_a_trusted_proxy`, `no_further_entry` or `entry_is_no_address`.
    #[schema(example = "not_a_trusted_proxy")]
    ended_by: &'static str,
}

/// Shows from which address this very request came, and which header entry says so. For administrators, to see whether
/// `server.trusted_proxies` and `server.forwarded` fit what stands before the service.
#[utoipa::path(get, path = "/api/v1/admin/client-address", operation_id = "client_address", tag = "administration",
               security(("bearer" = [])),
               responses((status = 200, body = ClientAddress)))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    request: HttpRequest,
    _admin: Administrator,
) -> Json<ClientAddress> {
    let server = &state.settings.server;
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip()).to_canonical();
    let found = client_address::resolve(peer, request.headers(), server.forwarded, &server.trusted_proxies);
    let entry = found.entry.as_ref();
    Json(ClientAddress {
        address: found.address.to_string(),
        peer: peer.to_string(),
        peer_is_trusted: server.trusted_proxies.iter().any(|network| network.contains(&peer)),
        header: server.forwarded.name(),
        entry: entry.map(|entry| entry.text.chars().take(SHOWN).collect()),
        entry_from_right: entry.map(|entry| entry.from_right),
        ended_by: found.ended_by.as_str(),
    })
}
