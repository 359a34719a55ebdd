//! `[redis]`: codes, limits and revocations.

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// Redis.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redis {
    /// `redis://host:port/db` or `rediss://…`; a secret for the password in it.
    pub url: Secret,
    /// Whether production may reach it beyond this machine without TLS.
    pub allow_plaintext: bool,
    /// What every key starts with.
    pub prefix: String,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: Secret::from(String::new()), allow_plaintext: false, prefix: "civiclens".to_owned() }
    }
}

impl Redis {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.url("redis.url", self.url.expose(), &["redis", "rediss", "redis+unix", "unix"]);
        checks.redis_credentials("redis.url", self.url.expose());
        checks.redis_tls("redis.url", self.url.expose(), self.allow_plaintext);
        checks.prefix("redis.prefix", &self.prefix);
    }
}
