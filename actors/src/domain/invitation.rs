//! Invitations to choose a first password.

use chrono::Duration;

use super::keys::HashKey;
use super::secret::Secret;

/// For how long an invitation can be accepted.
pub const LIFE: Duration = Duration::hours(72);

/// What is kept of the token of an invitation.
pub fn token_hash(key: &HashKey, token: &Secret) -> [u8; 32] {
    key.hash("invitation", &[token.expose()])
}

/// Under what a token may be stored: by the present hash key, or the one before.
pub fn token_hashes(key: &HashKey, token: &Secret) -> Vec<[u8; 32]> {
    key.hashes("invitation", &[token.expose()])
}
