//! `[nats]` and `[outbox]`: events and jobs.

use std::time::Duration;

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// NATS with `JetStream`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nats {
    /// `nats://host:port`, several separated by commas; a secret for the password in it.
    pub url: Secret,
    /// Whether production may reach it beyond this machine without TLS.
    pub allow_plaintext: bool,
    /// What every subject starts with.
    pub prefix: String,
    /// On how many servers a stream is kept.
    pub replicas: usize,
}

impl Default for Nats {
    fn default() -> Self {
        Self { url: Secret::from(String::new()), allow_plaintext: false, prefix: "civiclens".to_owned(), replicas: 1 }
    }
}

impl Nats {
    pub(super) fn check(&self, checks: &mut Checks) {
        for url in self.url.expose().split(',') {
            checks.url("nats.url", url.trim(), &["nats", "tls", "ws", "wss"]);
        }
        checks.nats_credentials("nats.url", self.url.expose());
        checks.nats_tls("nats.url", self.url.expose(), self.allow_plaintext);
        checks.prefix("nats.prefix", &self.prefix);
        checks.require("nats.replicas", matches!(self.replicas, 1 | 3 | 5), "must be 1, 3 or 5");
    }
}

/// What waits in the database to be published.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Outbox {
    /// How long a published row is kept.
    #[serde(with = "super::human")]
    pub retention: Duration,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { retention: Duration::from_hours(7 * 24) }
    }
}

impl Outbox {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.require("outbox.retention", !self.retention.is_zero(), "must be longer than nothing");
    }
}
