//! The token that a page must send along when cookies authenticate it: a signed double submit, bound to the session.

use super::entropy::{Entropy, Exhausted};
use super::keys::HashKey;
use super::principal::SessionId;
use super::secret::Secret;
use super::signed;

/// What the token is for, as far as the key is concerned.
const DOMAIN: &str = "csrf";

/// A new token for `session`. Earlier ones stay good as long as the session lives.
pub fn token(key: &HashKey, session: SessionId, entropy: &dyn Entropy) -> Result<Secret, Exhausted> {
    let (_, token) = signed::issue(key, DOMAIN, &session.to_string(), entropy)?;
    Ok(Secret::from(token))
}

/// Whether `token` was made for `session`. Takes as long for a nearly right token as for a wrong one.
pub fn is_valid(key: &HashKey, session: SessionId, token: &str) -> bool {
    signed::verify(key, DOMAIN, &session.to_string(), token).is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::device_token::DeviceId;
    use crate::domain::entropy::SystemEntropy;

    proptest! {
        #[test]
        fn a_token_is_good_for_its_session_only(session: i64, other: i64, position in 0usize..66) {
            let (key, entropy) = (HashKey::new(&Secret::from("k".repeat(32))), SystemEntropy::default());
            let token = token(&key, session.into(), &entropy).unwrap();
            let token = token.expose();
            prop_assert!(is_valid(&key, session.into(), token));
            prop_assert_eq!(is_valid(&key, other.into(), token), session == other);
            let mut changed = token.to_owned();
            let flipped = if token.as_bytes()[position] == b'A' { "B" } else { "A" };
            changed.replace_range(position..=position, flipped);
            prop_assert!(!is_valid(&key, session.into(), &changed));
        }
    }

    #[test]
    fn a_device_token_is_no_csrf_token() {
        let (key, entropy) = (HashKey::new(&Secret::from("k".repeat(32))), SystemEntropy::default());
        let device = DeviceId::draw(&key, &entropy).unwrap();
        assert!(!is_valid(&key, 1.into(), device.token(&key).expose()));
        assert_eq!(DeviceId::verify(&key, token(&key, 1.into(), &entropy).unwrap().expose()), None);
    }
}
