//! What production demands of the addresses of `PostgreSQL`, Redis and NATS: credentials that are no known default, and TLS
//! beyond this machine.

use std::net::IpAddr;
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use url::Url;

use super::Checks;

/// Passwords that anybody tries first, compared in lower case.
const KNOWN_PASSWORDS: &[&str] = &[
    "123456",
    "12345678",
    "admin",
    "changeit",
    "changeme",
    "civiclens",
    "default",
    "example",
    "foobared",
    "guest",
    "nats",
    "pass",
    "passw0rd",
    "password",
    "postgres",
    "postgresql",
    "redis",
    "root",
    "s3cr3t",
    "secret",
    "test",
];

/// Reads `%40` as `@`; what cannot be read stays as it is.
fn decoded(text: &str) -> String {
    let pairs = format!("p={}", text.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(pairs.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The value of a parameter of an address; the last one counts.
fn parameter(url: &Url, names: &[&str]) -> Option<String> {
    url.query_pairs().filter(|(name, _)| names.contains(&&**name)).last().map(|(_, value)| value.into_owned())
}

/// Whether a host is this machine: its loopback, or a socket.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    host.is_empty() || host.starts_with('/') || host == "localhost" || is_loopback
}

impl Checks {
    /// A server's password must be there, and not be one that everybody knows. Judged in production only.
    fn credentials(&mut self, key: &str, user: &str, password: Option<&str>) {
        let Some(password) = password.filter(|password| !password.is_empty()) else {
            return self.require(key, false, "must hold a user and a password: a server that asks for none is refused");
        };
        let lower = password.to_lowercase();
        let known = KNOWN_PASSWORDS.contains(&&*lower) || lower == user.to_lowercase();
        self.require(key, !known, "holds a password that is a known default");
    }

    /// What production demands of the address of `PostgreSQL`. A socket of this machine knows its users by itself, and a client's
    /// certificate is as good as a password.
    pub(super) fn postgres_credentials(&mut self, key: &str, text: &str) {
        let (Ok(url), Ok(options)) = (Url::parse(text), PgConnectOptions::from_str(text)) else { return };
        let by_socket = options.get_socket().is_some() || options.get_host().starts_with('/');
        let judged = self.is_production() && url.scheme().starts_with("postgres");
        if judged && !by_socket && parameter(&url, &["sslcert", "ssl-cert"]).is_none() {
            let password = url.password().map(decoded).or_else(|| parameter(&url, &["password"]));
            self.credentials(key, options.get_username(), password.as_deref());
        }
    }

    /// What production demands of the address of Redis.
    pub(super) fn redis_credentials(&mut self, key: &str, text: &str) {
        let Ok(url) = Url::parse(text) else { return };
        if self.is_production() && matches!(url.scheme(), "redis" | "rediss") {
            self.credentials(key, &decoded(url.username()), url.password().map(decoded).as_deref());
        }
    }

    /// What production demands of the addresses of NATS. As the client does: the credentials of the first address that has
    /// some are those of all, and a user alone is a token.
    pub(super) fn nats_credentials(&mut self, key: &str, list: &str) {
        let urls: Vec<Url> = list.split(',').filter_map(|text| Url::parse(text.trim()).ok()).collect();
        if !self.is_production() || urls.is_empty() {
            return;
        }
        let with = urls.iter().find(|url| !url.username().is_empty());
        let user = with.map(|url| decoded(url.username())).unwrap_or_default();
        match with.map(Url::password) {
            Some(None) => self.credentials(key, "", Some(&user)),
            password => self.credentials(key, &user, password.flatten().map(decoded).as_deref()),
        }
    }

    /// A server beyond this machine is reached over TLS, and its certificate is verified. Judged in production only.
    fn tls(&mut self, key: &str, is_protected: bool, how: &str) {
        let section = key.split('.').next().unwrap_or_default();
        let message = format!("must use TLS beyond this machine ({how}), unless {section}.allow_plaintext is true");
        self.require(key, is_protected || !self.is_production(), &message);
    }

    /// How `PostgreSQL` is reached: the certificate must be verified, and name the host.
    pub(super) fn postgres_tls(&mut self, key: &str, text: &str, allow_plaintext: bool) {
        let (Ok(url), Ok(options)) = (Url::parse(text), PgConnectOptions::from_str(text)) else { return };
        let here = options.get_socket().is_some() || is_this_machine(options.get_host());
        let mode = parameter(&url, &["sslmode", "ssl-mode"]);
        let is_verified = mode.is_some_and(|mode| mode.eq_ignore_ascii_case("verify-full"));
        let is_other = !url.scheme().starts_with("postgres");
        self.tls(key, is_other || here || is_verified || allow_plaintext, "sslmode=verify-full");
    }

    /// How Redis is reached.
    pub(super) fn redis_tls(&mut self, key: &str, text: &str, allow_plaintext: bool) {
        let Ok(url) = Url::parse(text) else { return };
        let here = matches!(url.scheme(), "unix" | "redis+unix") || is_this_machine(url.host_str().unwrap_or_default());
        let is_verified = url.scheme() == "rediss" && url.fragment().is_none();
        self.tls(key, here || is_verified || allow_plaintext, "rediss://, without #insecure");
    }

    /// How NATS is reached.
    pub(super) fn nats_tls(&mut self, key: &str, list: &str, allow_plaintext: bool) {
        let is_protected =
            |url: Url| matches!(url.scheme(), "tls" | "wss") || is_this_machine(url.host_str().unwrap_or_default());
        let mut urls = list.split(',').filter_map(|text| Url::parse(text.trim()).ok());
        self.tls(key, allow_plaintext || urls.all(is_protected), "tls://");
    }

    /// How a provider is reached: by HTTPS beyond this machine.
    pub(super) fn provider_tls(&mut self, key: &str, text: &str) {
        let Ok(url) = Url::parse(text) else { return };
        let is_protected = url.scheme() == "https" || is_this_machine(url.host_str().unwrap_or_default());
        self.require(key, is_protected || !self.is_production(), "must be https:// beyond this machine");
    }
}
