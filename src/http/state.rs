//! What the endpoints work with.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use civiclens_actors::limits::AddressLimit;
use civiclens_actors::supervision::LoopState;
use civiclens_actors::{accounts, administration, audit, credentials, otp, passwords, sessions, sign_in, two_factor};
use url::Url;

use super::{Browser, Tasks};
use crate::config::Settings;
use crate::telemetry::Metrics;

/// A future behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The name of a dependency and, when it does not answer, why.
pub type Check = (&'static str, Result<(), String>);

/// Knows whether the process can do its work right now.
pub trait Readiness: Send + Sync {
    /// Looks at every dependency. Answers within a second or two, whatever they do.
    fn check(&self) -> BoxFuture<'_, Vec<Check>>;

    /// How each loop of the process does.
    fn loops(&self) -> Vec<LoopState>;
}

/// Shows the messages that a development environment keeps instead of sending.
pub trait InboxView: Send + Sync {
    /// The messages, newest first.
    fn messages(&self) -> BoxFuture<'_, Vec<serde_json::Value>>;
}

/// What every listener works with, also one that does not answer the API.
#[derive(Clone)]
pub struct NodeState {
    /// Knows whether the process can do its work.
    pub readiness: Arc<dyn Readiness>,
    /// What has been counted.
    pub metrics: Metrics,
    /// The configuration in force.
    pub settings: Arc<Settings>,
    /// Draws ids for requests that come without one.
    pub request_ids: Arc<dyn Fn() -> String + Send + Sync>,
    /// How many requests an address may send.
    pub requests: AddressLimit,
    /// Requests that go on to their end although nobody may listen any more.
    pub tasks: Tasks,
    /// Where the API is, if not on the listener that answers the documentation.
    pub api_elsewhere: Option<Url>,
}

/// What the endpoints of the API work with: one for the process, shared by its worker threads.
#[derive(Clone)]
pub struct ApiState {
    /// Issues one-time codes.
    pub otp: otp::Handle,
    /// Turns proofs into sessions.
    pub sign_in: sign_in::Handle,
    /// Hashes, verifies and judges passwords.
    pub passwords: passwords::Handle,
    /// Knows the sessions.
    pub sessions: sessions::Handle,
    /// Sets up and turns off second factors.
    pub two_factor: two_factor::Handle,
    /// Changes and resets passwords.
    pub credentials: credentials::Handle,
    /// Does what administrators do to other accounts.
    pub administration: administration::Handle,
    /// Knows the users.
    pub accounts: accounts::Handle,
    /// Records who was refused what.
    pub audit: audit::Handle,
    /// Keeps sessions in browsers.
    pub browser: Browser,
    /// The development inbox; `None` outside a development environment.
    pub inbox: Option<Arc<dyn InboxView>>,
    /// The configuration in force.
    pub settings: Arc<Settings>,
}
