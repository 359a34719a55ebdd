//! SMTP: a submission server of the operator's (RFC 6409), over TLS unless it is on this machine.
//!
//! Owns: a few idle connections. `lettre`'s own pool would take back a connection whose send was cut off half-way, and the
//! next message would read the answers of the last; here a connection returns only after a complete dialogue.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{Error, SUBMISSION_PORT, SUBMISSIONS_PORT};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::message::{message, message_id};
use super::{Email, Provider, Sender};
use crate::domain::secret::Secret;
use crate::notifications::ProviderError;

/// How long connecting, with TLS and logging in, may take; and then once more, how long handing a message over.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an idle connection is kept. Servers and firewalls forget one after minutes.
const IDLE: Duration = Duration::from_secs(30);
/// How many are kept.
const MOST_IDLE: usize = 8;

/// How to reach the server, and whom messages come from.
#[derive(Clone, Debug)]
pub struct SmtpConfig {
    /// `smtp://user:password@host:587` or `smtps://user:password@host:465`.
    pub url: Secret,
    /// The sender.
    pub from: Sender,
}

/// A server that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadServer {
    /// The address is not one of a mail server.
    #[error("this is not an address such as smtp://user:password@mail.example.org:587")]
    Address,
    /// TLS cannot be set up here.
    #[error("TLS cannot be set up")]
    Tls(#[source] Error),
}

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protection {
    /// Not at all: the server is on this machine.
    None,
    /// By STARTTLS, without which nothing is said.
    StartTls,
    /// By TLS from the first byte.
    Tls,
}

/// Where the server is.
#[derive(Debug)]
struct Server {
    host: String,
    port: u16,
    protection: Protection,
    login: Option<(String, Secret)>,
}

impl Server {
    fn parse(url: &Secret) -> Option<Self> {
        let url = Url::parse(url.expose()).ok()?;
        // The parser knows no `smtp`, and leaves the host of such an address as text.
        let host = url.host_str().and_then(|text| Host::parse(text).ok())?;
        let here = match &host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => Ipv4Addr::is_loopback(address),
            Host::Ipv6(address) => Ipv6Addr::is_loopback(address),
        };
        let (protection, port) = match url.scheme() {
            "smtps" => (Protection::Tls, SUBMISSIONS_PORT),
            "smtp" if here => (Protection::None, SUBMISSION_PORT),
            "smtp" => (Protection::StartTls, SUBMISSION_PORT),
            _ => return None,
        };
        let login = match url.password() {
            Some(password) => Some((decode(url.username())?, Secret::from(decode(password)?))),
            None => None,
        };
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            other => other.to_string(),
        };
        Some(Self { host, port: url.port().unwrap_or(port), protection, login })
    }
}

/// Reads `%40` as `@`. Returns `None` for an escape that is none, and for what is not UTF-8.
fn decode(text: &str) -> Option<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next()?.as_bytes().to_vec();
    for piece in pieces {
        let (escape, rest) = piece.split_at_checked(2)?;
        bytes.extend(hex::decode(escape).ok()?);
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

/// A mail server.
pub struct Smtp {
    server: Server,
    tls: Option<TlsParameters>,
    hello: ClientId,
    from: Sender,
    idle: Mutex<Vec<(AsyncSmtpConnection, Instant)>>,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Smtp {
    /// A client of the server. Connects when there is something to send.
    pub fn new(config: SmtpConfig) -> Result<Self, BadServer> {
        let server = Server::parse(&config.url).ok_or(BadServer::Address)?;
        let tls = match server.protection {
            Protection::None => None,
            Protection::StartTls | Protection::Tls => {
                Some(TlsParameters::new(server.host.clone()).map_err(BadServer::Tls)?)
            }
        };
        Ok(Self { server, tls, hello: ClientId::default(), from: config.from, idle: Mutex::default() })
    }

    /// A connection that is logged in: an idle one that still answers, or a new one.
    async fn connection(&self) -> Result<AsyncSmtpConnection, Error> {
        while let Some((mut connection, since)) = self.take() {
            if since.elapsed() < IDLE && connection.test_connected().await {
                return Ok(connection);
            }
        }
        let Server { host, port, protection, login } = &self.server;
        let implicit = if *protection == Protection::Tls { self.tls.clone() } else { None };
        let place = (host.as_str(), *port);
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(place, Some(PATIENCE), &self.hello, implicit, None).await?;
        if let (Protection::StartTls, Some(tls)) = (protection, &self.tls) {
            connection.starttls(tls.clone(), &self.hello).await?;
        }
        if let Some((user, password)) = login {
            let credentials = Credentials::new(user.clone(), password.expose().to_owned());
            connection.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(connection)
    }

    fn take(&self) -> Option<(AsyncSmtpConnection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, connection: AsyncSmtpConnection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_IDLE {
            idle.push((connection, Instant::now()));
        }
    }

    async fn hand_over(&self, email: &Email) -> Result<String, ProviderError> {
        let message = message(email, &self.from)
            .map_err(|error| ProviderError::Permanent { code: "bad_message".to_owned(), reason: error.to_string() })?;
        let mut connection = timeout(PATIENCE, self.connection())
            .await
            .map_err(|_| ProviderError::Transient { code: "connect".to_owned(), reason: late(), after: None })?
            .map_err(|error| not_reached(&error))?;
        timeout(PATIENCE, connection.send(message.envelope(), &message.formatted()))
            .await
            .map_err(|_| ProviderError::Unknown { reason: late() })?
            .map_err(|error| not_taken(&error))?;
        self.keep(connection);
        Ok(message_id(email, &self.from))
    }
}

fn late() -> String {
    format!("nothing within {} s", PATIENCE.as_secs())
}

/// The server's code, if it answered with one. Not its words: they repeat the address.
fn answer(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}

/// Before a message is on its way nothing is lost by waiting, whatever the server says: an address, a certificate or
/// credentials are the operator's to mend.
fn not_reached(error: &Error) -> ProviderError {
    match answer(error) {
        Some(code) => {
            ProviderError::Transient { code: format!("smtp_{code}"), reason: "refused us".to_owned(), after: None }
        }
        None => ProviderError::Transient { code: "connect".to_owned(), reason: error.to_string(), after: None },
    }
}

fn not_taken(error: &Error) -> ProviderError {
    match answer(error) {
        Some(code) => judge(code),
        // An address or a text that this server does not support; nothing was sent.
        None if error.is_client() => {
            ProviderError::Permanent { code: "smtp_unsupported".to_owned(), reason: error.to_string() }
        }
        None if error.is_response() => ProviderError::Unknown { reason: "the answer cannot be read".to_owned() },
        None => ProviderError::Unknown { reason: error.to_string() },
    }
}

/// What an answer to a message means. 4yz passes and 5yz does not, except where it is about us rather than about the
/// message: no login yet (530), a weak or wrong one (534, 535), no encryption (538).
fn judge(code: u16) -> ProviderError {
    let passes = code < 500 || matches!(code, 530 | 534 | 535 | 538);
    let name = format!("smtp_{code}");
    if passes {
        ProviderError::Transient { code: name, reason: "not now".to_owned(), after: None }
    } else {
        ProviderError::Permanent { code: name, reason: "refused".to_owned() }
    }
}

impl Provider for Smtp {
    fn name(&self) -> &'static str {
        "smtp"
    }

    fn send<'a>(&'a self, email: &'a Email) -> BoxFuture<'a, Result<String, ProviderError>> {
        self.hand_over(email).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> Option<(String, u16, Protection)> {
        Server::parse(&Secret::from(url)).map(|server| (server.host, server.port, server.protection))
    }

    #[test]
    fn answers_are_judged_by_code() {
        for (code, expected) in [
            (421, "transient"),
            (450, "transient"),
            (451, "transient"),
            (452, "transient"),
            (530, "transient"),
            (535, "transient"),
            (550, "permanent"),
            (552, "permanent"),
            (554, "permanent"),
        ] {
            let found = match judge(code) {
                ProviderError::Transient { .. } => "transient",
                ProviderError::Permanent { .. } => "permanent",
                ProviderError::Unknown { .. } => "unknown",
            };
            assert_eq!(found, expected, "{code}");
        }
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_over_tls_only() {
        let place = |host: &str, port, protection| Some((host.to_owned(), port, protection));
        assert_eq!(server("smtp://mail.example.org"), place("mail.example.org", 587, Protection::StartTls));
        assert_eq!(server("smtp://192.0.2.1:25"), place("192.0.2.1", 25, Protection::StartTls));
        assert_eq!(server("smtps://mail.example.org"), place("mail.example.org", 465, Protection::Tls));
        assert_eq!(server("smtps://localhost"), place("localhost", 465, Protection::Tls));
        assert_eq!(server("smtp://localhost:2525"), place("localhost", 2525, Protection::None));
        assert_eq!(server("smtp://127.0.0.1:2525"), place("127.0.0.1", 2525, Protection::None));
        assert_eq!(server("smtp://[::1]"), place("::1", 587, Protection::None));
        assert_eq!(server("smtp://127.0.0.1.example.org"), place("127.0.0.1.example.org", 587, Protection::StartTls));
        for bad in ["http://mail.example.org", "smtp:", "mail.example.org", "smtp://a:%zz@mail.example.org"] {
            assert_eq!(server(bad), None, "{bad}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_not_shown() {
        let url = Secret::from("smtp://ops%40example.org:p%C3%A9%25+w@mail.example.org");
        let server = Server::parse(&url).unwrap();
        let (user, password) = server.login.clone().unwrap();
        assert_eq!((user.as_str(), password.expose()), ("ops@example.org", "pé%+w"));
        assert!(!format!("{server:?}").contains("p\u{e9}"));
    }

    #[actix::test]
    async fn a_server_that_is_not_there_is_tried_again() {
        let from = "no-reply@civiclens.example".parse().unwrap();
        let smtp = Smtp::new(SmtpConfig { url: Secret::from("smtp://127.0.0.1:1"), from }).unwrap();
        let letter = crate::notifications::templates::Letter {
            subject: "s".to_owned(),
            text: "t".to_owned(),
            html: "h".to_owned(),
        };
        let email = Email {
            id: uuid::Uuid::nil(),
            to: "a@example.org".parse().unwrap(),
            letter,
            created_at: chrono::DateTime::UNIX_EPOCH,
        };
        let error = smtp.send(&email).await.unwrap_err();
        assert!(matches!(&error, ProviderError::Transient { code, .. } if code == "connect"), "{error}");
    }
}
