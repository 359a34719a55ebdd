//! `[database]`: `PostgreSQL`.

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// `PostgreSQL`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `postgres://user:password@host/name`; a secret for the password in it.
    pub url: Secret,
    /// Whether production may reach it beyond this machine without TLS.
    pub allow_plaintext: bool,
    /// Most connections held at once.
    pub max_connections: u32,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: Secret::from(String::new()), allow_plaintext: false, max_connections: 16 }
    }
}

impl Database {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.url("database.url", self.url.expose(), &["postgres", "postgresql"]);
        checks.postgres_credentials("database.url", self.url.expose());
        checks.postgres_tls("database.url", self.url.expose(), self.allow_plaintext);
        checks.require(
            "database.max_connections",
            (2..=1_000).contains(&self.max_connections),
            "must be between 2 and 1000",
        );
    }
}
