//! What the sections' rules have in common.

use civiclens_actors::domain::secret::Secret;

use super::secrecy::{self, BYTES as SECRET_BYTES};
use super::{Problem, Problems};

/// How to make a secret.
const MAKE: &str = "make one with: civiclens secrets generate";

/// Beginnings that show up in examples and tutorials, compared in lower case.
const KNOWN_DEFAULTS: &[&str] =
    &["change", "default", "example", "insecure", "secret", "your-", "your_", "password", "development"];

/// Collects what the rules of the sections object to.
#[derive(Debug, Default)]
pub struct Checks {
    found: Vec<Problem>,
    production: bool,
}

impl Checks {
    /// Judges as for production, or as for development.
    pub(super) const fn new(production: bool) -> Self {
        Self { found: Vec::new(), production }
    }

    /// Whether real people depend on what is judged.
    pub(super) const fn is_production(&self) -> bool {
        self.production
    }

    /// Objects to `key` unless `holds`.
    pub fn require(&mut self, key: &str, holds: bool, message: &str) {
        if !holds {
            self.found.push(Problem::of_value(key, message));
        }
    }

    /// A secret must be long, varied and not one from an example; in production it must be 256 random bits.
    pub(super) fn secret(&mut self, key: &str, secret: &Secret) {
        let text = secret.expose();
        if text.is_empty() {
            return self.require(key, false, &format!("is required; {MAKE}"));
        }
        if self.production {
            if let Some(weakness) = secrecy::weakness(text) {
                self.require(key, false, &format!("{weakness}; {MAKE}"));
            }
            return;
        }
        self.require(key, text.len() >= SECRET_BYTES, "must be at least 32 bytes long");
        let lower = text.to_ascii_lowercase();
        let known = KNOWN_DEFAULTS.iter().any(|start| lower.starts_with(start));
        let varied = text.bytes().any(|byte| Some(byte) != text.bytes().next());
        self.require(key, !known && varied, &format!("looks like a default or an example; {MAKE}"));
    }

    /// The secret before the present one may be missing; if it is there, it is judged like the present one.
    pub(super) fn previous_secret(&mut self, key: &str, secret: &Secret) {
        if !secret.is_empty() {
            self.secret(key, secret);
        }
    }

    /// An address must be there and have one of the schemes.
    pub(super) fn url(&mut self, key: &str, text: &str, schemes: &[&str]) {
        if text.is_empty() {
            return self.require(key, false, "is required");
        }
        let fits = url::Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()));
        self.require(key, fits, &format!("must be an address that starts with {}://", schemes.join(":// or ")));
    }

    /// A prefix goes into keys and subjects, so it must be plain.
    pub(super) fn prefix(&mut self, key: &str, text: &str) {
        let plain = (1..=32).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_'));
        self.require(key, plain, "must be 1 to 32 lower-case letters, digits, dashes and underscores");
    }

    /// What was objected to.
    pub(super) fn into_problems(self) -> Problems {
        Problems(self.found)
    }
}
