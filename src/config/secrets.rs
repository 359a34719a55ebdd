//! `[secrets]`: keys that belong to no single component.

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// Keys that belong to no single component.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// Seals what a job carries: 32 bytes in hex.
    pub sealing_key: Secret,
    /// Which sealing key that is; written beside what it sealed.
    pub sealing_key_id: String,
    /// Mixed into every password before it is hashed.
    pub password_pepper: Secret,
    /// The pepper before this one, for as long as passwords hashed with it remain; empty for none.
    pub previous_password_pepper: Secret,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            sealing_key: Secret::from(String::new()),
            sealing_key_id: "1".to_owned(),
            password_pepper: Secret::from(String::new()),
            previous_password_pepper: Secret::from(String::new()),
        }
    }
}

impl Secrets {
    pub(super) fn check(&self, checks: &mut Checks) {
        let key = hex::decode(self.sealing_key.expose()).unwrap_or_default();
        checks.require(
            "secrets.sealing_key",
            key.len() == 32 && key.iter().any(|byte| *byte != key[0]),
            "must be 32 random bytes in hex (openssl rand -hex 32)",
        );
        let plain = (1..=32).contains(&self.sealing_key_id.len())
            && self.sealing_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        checks.require("secrets.sealing_key_id", plain, "must be 1 to 32 letters, digits and dashes");
        checks.secret("secrets.password_pepper", &self.password_pepper);
        if !self.previous_password_pepper.is_empty() {
            let key = "secrets.previous_password_pepper";
            checks.secret(key, &self.previous_password_pepper);
            let differs = self.previous_password_pepper.expose() != self.password_pepper.expose();
            checks.require(key, differs, "must not be the same as secrets.password_pepper");
        }
    }
}
