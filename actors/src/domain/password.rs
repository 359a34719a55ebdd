//! Password hashes: bcrypt over a keyed pre-hash, so that no byte is cut at bcrypt's 72.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

use super::entropy::{self, Entropy};
use super::secret::Secret;

/// What a stored hash begins with: scheme 1 is bcrypt over base64(HMAC-SHA-256(pepper, password)).
const SCHEME: &str = "v1:";

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// No salt.
    #[error(transparent)]
    Entropy(#[from] entropy::Exhausted),
    /// bcrypt refused.
    #[error("the password could not be hashed")]
    Bcrypt(#[from] bcrypt::BcryptError),
}

/// Hashes `password`. Blocks for about 2^`cost` rounds: never call it on a thread that serves requests.
pub fn hash(password: &Secret, pepper: &Secret, cost: u32, entropy: &dyn Entropy) -> Result<String, HashError> {
    let hash = bcrypt::hash_with_salt(prehash(password, pepper), cost, entropy::bytes(entropy)?)?;
    Ok(format!("{SCHEME}{}", hash.format_for_version(bcrypt::Version::TwoB)))
}

/// Whether `password` belongs to `stored`. Blocks as long as [`hash`].
pub fn verify(password: &Secret, pepper: &Secret, stored: &str) -> bool {
    stored.strip_prefix(SCHEME).is_some_and(|hash| bcrypt::verify(prehash(password, pepper), hash).unwrap_or(false))
}

fn prehash(password: &Secret, pepper: &Secret) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, pepper.expose().as_bytes());
    STANDARD_NO_PAD.encode(hmac::sign(&key, password.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::SystemEntropy;

    #[test]
    fn every_byte_of_a_long_password_counts() {
        let (long, pepper) = ("x".repeat(100), Secret::from("pepper"));
        let stored = hash(&Secret::from(long.as_str()), &pepper, 4, &SystemEntropy::default()).unwrap();
        assert!(stored.starts_with("v1:$2b$04$"));
        assert!(verify(&Secret::from(long.as_str()), &pepper, &stored));
        assert!(!verify(&Secret::from("x".repeat(99)), &pepper, &stored));
        assert!(!verify(&Secret::from(long), &Secret::from("other"), &stored));
    }
}
