//! The cookie by which a browser is known again, so that its owner keeps a login budget of their own while strangers
//! use up the account's. It proves nothing about a person.

use super::entropy::{Entropy, Exhausted};
use super::keys::HashKey;
use super::secret::Secret;
use super::signed;

/// What the cookie is for, as far as the key is concerned.
const DOMAIN: &str = "device_cookie";

/// A new device cookie.
#[derive(Clone, Debug)]
pub struct DeviceCookie {
    /// The device, as it is stored.
    pub id: String,
    /// The cookie's value. Who has it spends the device's budget.
    pub value: Secret,
}

/// Draws a cookie for a device that has none.
pub fn issue(key: &HashKey, entropy: &dyn Entropy) -> Result<DeviceCookie, Exhausted> {
    let (id, value) = signed::issue(key, DOMAIN, "", entropy)?;
    Ok(DeviceCookie { id, value: Secret::from(value) })
}

/// The device that sent this cookie. Returns `None` when we never gave it out.
pub fn verify(key: &HashKey, value: &str) -> Option<String> {
    signed::verify(key, DOMAIN, "", value).map(str::to_owned)
}

/// The same cookie under the present key, so that the device stays known once the previous key is gone. Returns `None` if
/// `value`, which [`verify`] accepted, is under the present key.
pub fn renew(key: &HashKey, value: &str) -> Option<Secret> {
    signed::renew(key, DOMAIN, "", value).map(Secret::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::entropy::SystemEntropy;

    proptest! {
        #[test]
        fn a_changed_cookie_is_nobodys(position in 0usize..66) {
            let key = HashKey::new(&Secret::from("k".repeat(32)));
            let cookie = issue(&key, &SystemEntropy::default()).unwrap();
            let value = cookie.value.expose();
            prop_assert_eq!(verify(&key, value), Some(cookie.id));
            let mut changed = value.to_owned();
            let flipped = if value.as_bytes()[position] == b'A' { "B" } else { "A" };
            changed.replace_range(position..=position, flipped);
            prop_assert_eq!(verify(&key, &changed), None);
        }
    }

    #[test]
    fn a_cookie_under_the_previous_key_is_renewed() {
        let (old, new) = (Secret::from("k".repeat(32)), Secret::from("n".repeat(32)));
        let cookie = issue(&HashKey::new(&old), &SystemEntropy::default()).unwrap();
        let both = HashKey::new(&new).with_previous(&old);
        assert_eq!(verify(&both, cookie.value.expose()).as_ref(), Some(&cookie.id));
        let renewed = renew(&both, cookie.value.expose()).unwrap();
        assert_eq!(verify(&HashKey::new(&new), renewed.expose()), Some(cookie.id));
        assert_eq!(renew(&both, renewed.expose()), None);
    }

    #[test]
    fn the_value_is_not_shown() {
        let key = HashKey::new(&Secret::from("k".repeat(32)));
        let cookie = issue(&key, &SystemEntropy::default()).unwrap();
        assert!(format!("{cookie:?}").contains("[redacted]"));
    }
}
