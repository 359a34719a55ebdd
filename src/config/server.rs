//! `[server]`: how HTTP is answered.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Checks;

/// The longest `stop_delay`.
pub(crate) const MAX_STOP_DELAY: Duration = Duration::from_secs(10);
/// The most that `stop_delay` and `request_timeout` may be together. A test adds it up with everything else that a stop
/// waits for.
pub(crate) const MAX_DELAY_AND_REQUEST: Duration = Duration::from_secs(25);

/// How HTTP is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where operators find `/metrics` and `/docs`, and those of a worker its `/metrics`. When none is given: beside the API
    /// in a development environment, nowhere in production.
    pub operator_listen: Option<SocketAddr>,
    /// Where people reach the service, such as `https://id.civiclens.example`: links in messages start with it.
    pub public_url: Option<url::Url>,
    /// Threads that answer requests; one for each core when none is given.
    pub workers: Option<usize>,
    /// After this long a request is answered 408.
    #[serde(with = "super::human")]
    pub request_timeout: Duration,
    /// For how long a stop goes on accepting requests while `/readyz` says that it is not ready, so that load balancers
    /// notice first. `dev` does not wait unless told to.
    #[serde(with = "super::human")]
    pub stop_delay: Duration,
    /// The longest accepted request body.
    pub body_limit_bytes: usize,
    /// Networks of proxies that tell the client's address.
    pub trusted_proxies: Vec<IpNet>,
    /// In which header they tell it.
    pub forwarded: ForwardedHeader,
    /// Origins whose browsers may call the API. None: no cross-origin calls.
    pub cors_origins: Vec<String>,
    /// Whether `Strict-Transport-Security` is answered.
    pub hsts: bool,
}

/// A header in which proxies tell the address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses.
    #[serde(rename = "x-forwarded-for")]
    XForwardedFor,
    /// `Forwarded`, by RFC 7239.
    #[serde(rename = "forwarded")]
    Forwarded,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080),
            operator_listen: None,
            public_url: None,
            workers: None,
            request_timeout: Duration::from_secs(15),
            stop_delay: Duration::from_secs(5),
            body_limit_bytes: 65_536,
            trusted_proxies: Vec::new(),
            forwarded: ForwardedHeader::XForwardedFor,
            cors_origins: Vec::new(),
            hsts: true,
        }
    }
}

impl Server {
    /// Where people reach the service, without a slash at the end; where it listens if nothing is said.
    pub fn public_address(&self) -> String {
        let address = self.public_url.as_ref().map_or_else(|| format!("http://{}", self.listen), ToString::to_string);
        address.trim_end_matches('/').to_owned()
    }

    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        checks.require("server.workers", self.workers != Some(0), "must be at least 1");
        checks.require("server.request_timeout", !self.request_timeout.is_zero(), "must be longer than nothing");
        checks.require("server.stop_delay", self.stop_delay <= MAX_STOP_DELAY, "must be at most 10s");
        checks.require(
            "server.request_timeout",
            self.stop_delay.saturating_add(self.request_timeout) <= MAX_DELAY_AND_REQUEST,
            "must be, together with server.stop_delay, at most 25s: a stop waits for both and has a limit",
        );
        checks.require(
            "server.body_limit_bytes",
            (1_024..=16 * 1_024 * 1_024).contains(&self.body_limit_bytes),
            "must be between 1024 and 16777216",
        );
        checks.require(
            "server.operator_listen",
            self.operator_listen != Some(self.listen) || self.listen.port() == 0,
            "must differ from server.listen",
        );
        checks.require(
            "server.public_url",
            self.public_url.is_some() || !production,
            "is required: links in messages start with it, and never with what a request says",
        );
        if let Some(url) = &self.public_url {
            let fits = matches!(url.scheme(), "http" | "https") && url.query().is_none() && url.fragment().is_none();
            checks.require("server.public_url", fits, "must be an address that starts with https:// or http://");
            let safe = !fits || !production || url.scheme() == "https";
            checks.require("server.public_url", safe, "must start with https:// outside a development environment");
        }
        for origin in &self.cors_origins {
            let well_formed = url::Url::parse(origin)
                .is_ok_and(|url| url.origin().is_tuple() && url.origin().ascii_serialization() == *origin);
            checks.require(
                "server.cors_origins",
                well_formed,
                "each must be an origin such as \"https://app.example.org\", without a path",
            );
            let safe = !well_formed || !production || origin.starts_with("https://");
            let message = "each must start with https:// outside a development environment";
            checks.require("server.cors_origins", safe, message);
        }
    }
}
