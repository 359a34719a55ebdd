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
    /// What every key starts with.
    pub prefix: String,
}

impl Default for Redis {
    fn default() -> Self {
        Self { url: Secret::from(String::new()), prefix: "civiclens".to_owned() }
    }
}

impl Redis {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.url("redis.url", self.url.expose(), &["redis", "rediss", "redis+unix", "unix"]);
        checks.redis_credentials("redis.url", self.url.expose());
        checks.prefix("redis.prefix", &self.prefix);
    }
}
