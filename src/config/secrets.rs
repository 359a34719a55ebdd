//! `[secrets]`: keys that belong to no single component.

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;
use super::secrecy::is_random;

/// Keys that belong to no single component.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Secrets {
    /// Seals what a job carries: 32 bytes in hex.
    pub sealing_key: Secret,
    /// Which sealing key that is; written beside what it sealed.
    pub sealing_key_id: String,
    /// The sealing key before that one, which opens what it sealed; empty for none.
    pub previous_sealing_key: Secret,
    /// What that key was called.
    pub previous_sealing_key_id: Option<String>,
    /// Keys the hashes of opaque tokens, backup codes and devices, and what refresh tokens are made of.
    pub hash_key: Secret,
    /// The hash key before that one, whose hashes are still found; empty for none.
    pub previous_hash_key: Secret,
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
            previous_sealing_key: Secret::from(String::new()),
            previous_sealing_key_id: None,
            hash_key: Secret::from(String::new()),
            previous_hash_key: Secret::from(String::new()),
            password_pepper: Secret::from(String::new()),
            previous_password_pepper: Secret::from(String::new()),
        }
    }
}

impl Secrets {
    pub(super) fn check(&self, checks: &mut Checks) {
        sealing_key(checks, "secrets.sealing_key", &self.sealing_key);
        sealing_key_id(checks, "secrets.sealing_key_id", &self.sealing_key_id);
        self.check_previous_sealing_key(checks);
        checks.secret("secrets.hash_key", &self.hash_key);
        checks.previous_secret("secrets.previous_hash_key", &self.previous_hash_key);
        checks.secret("secrets.password_pepper", &self.password_pepper);
        checks.previous_secret("secrets.previous_password_pepper", &self.previous_password_pepper);
    }
    fn check_previous_sealing_key(&self, checks: &mut Checks) {
        let (key, id) = ("secrets.previous_sealing_key", "secrets.previous_sealing_key_id");
        if self.previous_sealing_key.is_empty() {
            let names_nothing = self.previous_sealing_key_id.is_some();
            return checks.require(id, !names_nothing, "names no key: secrets.previous_sealing_key is not set");
        }
        sealing_key(checks, key, &self.previous_sealing_key);
        match &self.previous_sealing_key_id {
            None => checks.require(id, false, "is required beside secrets.previous_sealing_key"),
            Some(previous) => {
                sealing_key_id(checks, id, previous);
                let differs = *previous != self.sealing_key_id;
                checks.require(id, differs, "must not be the same as secrets.sealing_key_id");
            }
        }
    }
}

fn sealing_key(checks: &mut Checks, key: &str, secret: &Secret) {
    let bytes = hex::decode(secret.expose()).unwrap_or_default();
    let varied = bytes.iter().any(|byte| Some(byte) != bytes.first());
    let random = bytes.len() == 32 && varied && (!checks.is_production() || is_random(&bytes));
    checks.require(key, random, "must be 32 random bytes in hex (civiclens secrets generate)");
}

fn sealing_key_id(checks: &mut Checks, key: &str, id: &str) {
    let plain = (1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    checks.require(key, plain, "must be 1 to 32 letters, digits and dashes");
}
