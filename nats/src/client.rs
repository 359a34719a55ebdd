//! The connection to NATS.
//!
//! It owns nothing but the way a client is set up: it connects in the background and keeps trying, because losing NATS
//! delays events and nothing else. Who publishes asks for the connection's state first (see [`crate::publish`]).

use std::fmt;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ServerAddr};

/// The longest wait between two attempts to reconnect.
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(2);
/// How often the server is asked whether it is still there. After three questions without an answer the connection is given up:
/// one that fell silent, as after a fail-over, is noticed within seconds and not by the operating system after a quarter of an
/// hour.
const PING_EVERY: Duration = Duration::from_secs(2);
/// The oldest server whose consumers and message headers do what we ask; older ones ignore some of it in silence.
const OLDEST_SERVER: (u64, u64) = (2, 11);

/// Why there is no usable client.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address cannot be read. It may hold a password, so it is not shown.
    #[error("the NATS address cannot be read: {0}")]
    BadUrl(String),
    /// The client cannot be set up, for example because a certificate is missing.
    #[error("the NATS client cannot be set up")]
    Setup(#[source] async_nats::ConnectError),
    /// The server lacks what we rely on.
    #[error("NATS server 2.11 or newer is required, found {found}")]
    ServerTooOld {
        /// The version the server gave.
        found: String,
    },
}

/// How to connect.
#[derive(Clone)]
pub struct ConnectOptions {
    /// One or more servers, separated by commas: `nats://user:pass@host:4222`. A user without password is a token.
    pub url: String,
    /// What the server calls this connection.
    pub name: String,
    /// How long one attempt to connect may take.
    pub connect_timeout: Duration,
    /// How long one request to the server may take.
    pub request_timeout: Duration,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("url", &"[redacted]")
            .field("name", &self.name)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .finish()
    }
}

/// Credentials taken out of an address.
#[derive(Debug, PartialEq, Eq)]
enum Credentials {
    Token(String),
    UserPassword(String, String),
}

/// Makes a client that connects in the background and reconnects for ever.
///
/// A server that is away is no error: the client is returned at once, and its state says whether it is connected.
///
/// # Errors
/// [`ConnectError::BadUrl`] and [`ConnectError::Setup`]: mistakes in the configuration that waiting does not mend.
pub async fn connect(options: &ConnectOptions) -> Result<Client, ConnectError> {
    let (servers, credentials) = read_addresses(&options.url)?;
    let setup = async_nats::ConnectOptions::new()
        .name(&options.name)
        .connection_timeout(options.connect_timeout)
        .request_timeout(Some(options.request_timeout))
        .ping_interval(PING_EVERY)
        .retry_on_initial_connect()
        // What this process says to all it knows already.
        .no_echo()
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay);
    // Servers that a cluster announces are joined as it names them: without this some would be joined without TLS.
    let setup = setup.require_tls(options.url.split(',').any(|url| url.trim().starts_with("tls://")));
    // The client library does not look at the credentials in an address, so they are handed over apart.
    let setup = match credentials {
        Some(Credentials::Token(token)) => setup.token(token),
        Some(Credentials::UserPassword(user, password)) => setup.user_and_password(user, password),
        None => setup,
    };
    setup.connect(servers).await.map_err(ConnectError::Setup)
}

/// Refuses a server that is older than what we rely on.
///
/// A client that is not connected yet passes: call this again once it is, as
/// [`reconcile`](crate::reconcile::Topology::reconcile) does.
///
/// # Errors
/// [`ConnectError::ServerTooOld`].
pub fn check_server(client: &Client) -> Result<(), ConnectError> {
    if client.connection_state() != State::Connected {
        return Ok(());
    }
    match client.try_server_info() {
        Some(info) if !is_recent(&info.version) => Err(ConnectError::ServerTooOld { found: info.version }),
        _ => Ok(()),
    }
}

fn is_recent(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split('.').map(str::parse::<u64>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST_SERVER,
        _ => false,
    }
}

/// Doubles from 50 ms up to the cap. No jitter: the servers of a cluster are tried in random order already.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    (Duration::from_millis(50) * 2_u32.pow(doublings)).min(MAX_RECONNECT_DELAY)
}

fn read_addresses(url: &str) -> Result<(Vec<ServerAddr>, Option<Credentials>), ConnectError> {
    let mut servers = Vec::new();
    let mut credentials = None;
    for part in url.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let bad = |what: &str| ConnectError::BadUrl(format!("server {} of the list: {what}", servers.len() + 1));
        let address: ServerAddr = part.parse().map_err(|_| bad("it is not a NATS address"))?;
        if credentials.is_none() && address.has_user_pass() {
            credentials = Some(read_credentials(&address).ok_or_else(|| bad("its credentials are not UTF-8"))?);
        }
        // Without the credentials, so that no log line of the client library can show them.
        let mut bare = address.into_inner();
        let stripped = bare.set_username("").and_then(|()| bare.set_password(None));
        stripped.map_err(|()| bad("it cannot hold credentials"))?;
        servers.push(ServerAddr::from_url(bare).map_err(|_| bad("it is not a NATS address"))?);
    }
    if servers.is_empty() {
        return Err(ConnectError::BadUrl("it names no server".to_owned()));
    }
    Ok((servers, credentials))
}

fn read_credentials(address: &ServerAddr) -> Option<Credentials> {
    let user = percent_decoded(address.username()?)?;
    match address.password() {
        Some(password) => Some(Credentials::UserPassword(user, percent_decoded(password)?)),
        None => Some(Credentials::Token(user)),
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = if byte == b'%' { text.get(at + 1..at + 3) } else { None };
        if let Some(value) = pair.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            decoded.push(value);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn versions_are_compared_by_number() {
        for (version, recent) in [
            ("2.11.0", true),
            ("2.15.1", true),
            ("v2.11.0-beta.1", true),
            ("3.0.0", true),
            ("2.9.10", false),
            ("2.10.22", false),
            ("1.99.0", false),
            ("", false),
            ("dev", false),
        ] {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }

    #[test]
    fn credentials_are_taken_out_of_the_addresses() {
        let (servers, credentials) = read_addresses("nats://u%40x:p%2Fw@a:4222, nats://u:p@b:4223").unwrap();
        assert_eq!(credentials, Some(Credentials::UserPassword("u@x".to_owned(), "p/w".to_owned())));
        assert_eq!(servers.len(), 2);
        assert!(servers.iter().all(|server| !server.has_user_pass()));
        let (_, token) = read_addresses("nats://s3cr3t@a").unwrap();
        assert_eq!(token, Some(Credentials::Token("s3cr3t".to_owned())));
        assert_eq!(read_addresses("a:4222").unwrap().1, None);
    }

    #[test]
    fn a_bad_address_is_not_shown() {
        for bad in ["", " , ", "http://user:hunter2@x", "nats://user:hunter2@:::"] {
            let error = read_addresses(bad).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn reconnecting_slows_down_to_a_cap() {
        assert_eq!(reconnect_delay(1), Duration::from_millis(50));
        assert_eq!(reconnect_delay(2), Duration::from_millis(100));
        assert_eq!(reconnect_delay(usize::MAX), MAX_RECONNECT_DELAY);
    }
}
