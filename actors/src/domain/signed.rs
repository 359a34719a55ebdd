//! Random texts that carry their own proof of origin, so that nothing about them needs to be stored:
//! `base64url(16 random bytes).base64url(HMAC)`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::entropy::{self, Entropy, Exhausted};
use super::keys::HashKey;

/// The random bytes in a text.
const BYTES: usize = 16;

/// Draws a text for one purpose (`domain`) and one holder. Answers its random part and the whole.
pub(super) fn issue(
    key: &HashKey,
    domain: &str,
    holder: &str,
    entropy: &dyn Entropy,
) -> Result<(String, String), Exhausted> {
    let random = URL_SAFE_NO_PAD.encode(entropy::bytes::<BYTES>(entropy)?);
    let whole = sign(key, domain, holder, &random);
    Ok((random, whole))
}

/// The whole text of a random part that [`issue`] drew or [`verify`] answered, signed by the present key.
pub(super) fn sign(key: &HashKey, domain: &str, holder: &str, random: &str) -> String {
    format!("{random}.{}", URL_SAFE_NO_PAD.encode(key.hash(domain, &[holder, random])))
}

/// The random part of a text that [`issue`] made under this key or the one before, for the same purpose and holder. Returns `None` for
/// any other text; how long that takes does not tell how much of it is right.
pub(super) fn verify<'a>(key: &HashKey, domain: &str, holder: &str, text: &'a str) -> Option<&'a str> {
    let (random, mac) = text.split_once('.')?;
    let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
    key.matches(domain, &[holder, random], &mac).then_some(random)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::entropy::SystemEntropy;
    use crate::domain::secret::Secret;

    proptest! {
        #[test]
        fn a_text_is_good_whole_and_for_its_holder_only(
            holder in "\\PC{0,8}", other in "\\PC{0,8}", position in 0usize..66, character in "[A-Za-z0-9_.=-]",
        ) {
            let key = HashKey::new(&Secret::from("k".repeat(32)));
            let (random, whole) = issue(&key, "one", &holder, &SystemEntropy::default()).unwrap();
            prop_assert_eq!(whole.len(), 66);
            prop_assert_eq!(verify(&key, "one", &holder, &whole), Some(random.as_str()));
            prop_assert_eq!(verify(&key, "two", &holder, &whole), None);
            prop_assert_eq!(verify(&key, "one", &other, &whole).is_some(), holder == other);
            let foreign = HashKey::new(&Secret::from("x".repeat(32)));
            prop_assert_eq!(verify(&foreign, "one", &holder, &whole), None);
            let mut changed = whole.clone();
            changed.replace_range(position..=position, &character);
            prop_assert_eq!(verify(&key, "one", &holder, &changed).is_some(), changed == whole);
            prop_assert_eq!(verify(&key, "one", &holder, &whole[..position]), None);
        }

        #[test]
        fn any_text_is_refused(text in "\\PC{0,90}") {
            let key = HashKey::new(&Secret::from("k".repeat(32)));
            prop_assert_eq!(verify(&key, "one", "", &text), None);
        }
    }
}
