//! The token by which a device is known again, so that its owner keeps budgets of their own while strangers use up the
//! account's. It is given out at sign-in, in a cookie to browsers and as `device_token` to others, and proves nothing about
//! a person. Nothing else makes a device known: what a client calls itself is a label.

use super::entropy::{Entropy, Exhausted};
use super::keys::HashKey;
use super::secret::Secret;
use super::signed;

/// What the token is for, as far as the key is concerned.
const DOMAIN: &str = "device_cookie";

/// A device that holds, or is about to get, a token of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceId(String);

impl DeviceId {
    /// Draws the id of a device that has none.
    pub fn draw(key: &HashKey, entropy: &dyn Entropy) -> Result<Self, Exhausted> {
        Ok(Self(signed::issue(key, DOMAIN, "", entropy)?.0))
    }

    /// The device that sent this token. Returns `None` when we never gave it out.
    pub fn verify(key: &HashKey, token: &str) -> Option<Self> {
        signed::verify(key, DOMAIN, "", token).map(|id| Self(id.to_owned()))
    }

    /// An id that this service kept in a state of its own.
    pub fn from_kept(id: String) -> Self {
        Self(id)
    }

    /// The id, to be kept in a state of this service. It is no token.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token that names this device. Who has it spends the device's budgets.
    pub fn token(&self, key: &HashKey) -> Secret {
        Secret::from(signed::sign(key, DOMAIN, "", &self.0))
    }

    /// The keyed hash under which the device is stored.
    pub fn hash(&self, key: &HashKey) -> [u8; 32] {
        key.hash("device", &["issued", &self.0])
    }

    /// The hashes under which it may be stored: by the present key, then by the previous one.
    pub fn hashes(&self, key: &HashKey) -> Vec<[u8; 32]> {
        key.hashes("device", &["issued", &self.0])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::entropy::SystemEntropy;

    fn key(letter: &str) -> HashKey {
        HashKey::new(&Secret::from(letter.repeat(32)))
    }

    proptest! {
        #[test]
        fn a_changed_token_is_nobodys(position in 0usize..66) {
            let device = DeviceId::draw(&key("k"), &SystemEntropy::default()).unwrap();
            let token = device.token(&key("k"));
            prop_assert_eq!(DeviceId::verify(&key("k"), token.expose()), Some(device));
            let mut changed = token.expose().to_owned();
            let flipped = if changed.as_bytes()[position] == b'A' { "B" } else { "A" };
            changed.replace_range(position..=position, flipped);
            prop_assert_eq!(DeviceId::verify(&key("k"), &changed), None);
        }
    }

    #[test]
    fn neither_the_id_nor_the_token_of_another_key_is_a_token() {
        let device = DeviceId::draw(&key("k"), &SystemEntropy::default()).unwrap();
        assert_eq!(DeviceId::verify(&key("k"), device.as_str()), None);
        assert_eq!(DeviceId::verify(&key("x"), device.token(&key("k")).expose()), None);
        assert!(format!("{:?}", device.token(&key("k"))).contains("[redacted]"));
    }
}
