//! Keyed hashes and sealed values: what keeps secrets unreadable at rest.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{constant_time, hmac};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::secret::Secret;

/// The bytes at the front of a keyed hash that say which key made it.
const KEY_ID: usize = 4;

/// A key and its id, which is derived from it.
#[derive(Clone)]
struct NamedKey {
    id: [u8; KEY_ID],
    key: hmac::Key,
}

impl NamedKey {
    fn new(secret: &Secret) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let mut id = [0; KEY_ID];
        // No hash begins like this: what is hashed starts with a length of eight bytes.
        id.copy_from_slice(hmac::sign(&key, b"civiclens key id").as_ref().get(..KEY_ID).unwrap_or(&[0; KEY_ID]));
        Self { id, key }
    }

    fn hash(&self, domain: &str, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in std::iter::once(&domain).chain(parts) {
            // The length goes first, so that ("a", "bc") and ("ab", "c") differ.
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        let tag = context.sign();
        let mut out = [0; 32];
        let named = self.id.iter().chain(tag.as_ref());
        out.iter_mut().zip(named).for_each(|(to, from)| *to = *from);
        out
    }
}

/// A key for keyed hashes: HMAC-SHA-256, shortened to 28 bytes, behind 4 bytes that name the key. Each use names a domain,
/// so that a hash of one kind never passes as another.
///
/// What the key before the present one made is found and accepted too, where that key is given. Nothing is hashed with it
/// that is to be stored.
#[derive(Clone)]
pub struct HashKey {
    present: NamedKey,
    previous: Option<NamedKey>,
}

impl HashKey {
    /// A key from a configured secret of at least 32 bytes.
    pub fn new(secret: &Secret) -> Self {
        Self { present: NamedKey::new(secret), previous: None }
    }

    /// Accepts hashes of this other key, too. An empty secret is none.
    pub fn with_previous(self, secret: &Secret) -> Self {
        Self { previous: (!secret.is_empty()).then(|| NamedKey::new(secret)), ..self }
    }

    /// The keyed hash of `parts` within `domain` by the present key: what is stored and given out.
    pub fn hash(&self, domain: &str, parts: &[&str]) -> [u8; 32] {
        self.present.hash(domain, parts)
    }

    /// The hashes under which something may have been stored: by the present key, then by the previous one.
    pub fn hashes(&self, domain: &str, parts: &[&str]) -> Vec<[u8; 32]> {
        self.keys().map(|key| key.hash(domain, parts)).collect()
    }

    /// Whether `stored` is the hash of `parts` within `domain` by one of the keys. Takes as long for a nearly right hash as
    /// for a wrong one.
    pub fn matches(&self, domain: &str, parts: &[&str], stored: &[u8]) -> bool {
        let named = self.keys().find(|key| stored.starts_with(&key.id));
        named.is_some_and(|key| equal(&key.hash(domain, parts), stored))
    }

    /// Whether `stored` says that the present key made it.
    pub fn is_present(&self, stored: &[u8]) -> bool {
        stored.starts_with(&self.present.id)
    }

    fn keys(&self) -> impl Iterator<Item = &NamedKey> {
        std::iter::once(&self.present).chain(&self.previous)
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(super::secret::REDACTED)
    }
}

/// Compares without telling by time where two values differ.
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(a, b).is_ok()
}

/// Why a value could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The configured key is not 32 bytes in hexadecimal.
    #[error("the sealing key must be 32 bytes in hexadecimal")]
    BadKey,
    /// The cipher refused.
    #[error("the value could not be sealed")]
    Cipher,
    /// The text is not a sealed value of this program.
    #[error("this is not a sealed value")]
    NotSealed,
    /// The value was sealed under a key that is not configured.
    #[error("the value was sealed under another key")]
    UnknownKey,
    /// The value was changed, or belongs to another place.
    #[error("the sealed value is not authentic")]
    NotAuthentic,
}

/// A key and what it is called.
struct SealingKey {
    id: String,
    key: RandomizedNonceKey,
}

impl SealingKey {
    fn new(id: &str, hex_key: &Secret) -> Result<Self, SealError> {
        let bytes = hex::decode(hex_key.expose()).map_err(|_| SealError::BadKey)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes).map_err(|_| SealError::BadKey)?;
        Ok(Self { id: id.to_owned(), key })
    }
}

/// Seals values with AES-256-GCM under a key with an id. The text form is `v1.<key id>.<base64url(nonce ‖ ciphertext)>`.
///
/// What was sealed under the key before the present one opens too, where that key is given.
pub struct Sealer {
    present: SealingKey,
    previous: Option<SealingKey>,
}

impl Sealer {
    /// A sealer for the key `hex_key`, known as `key_id`.
    pub fn new(key_id: &str, hex_key: &Secret) -> Result<Self, SealError> {
        Ok(Self { present: SealingKey::new(key_id, hex_key)?, previous: None })
    }

    /// Opens what was sealed under this other key, too. Nothing is sealed under it.
    pub fn with_previous(self, key_id: &str, hex_key: &Secret) -> Result<Self, SealError> {
        Ok(Self { previous: Some(SealingKey::new(key_id, hex_key)?), ..self })
    }

    /// What the present key is called.
    pub fn key_id(&self) -> &str {
        &self.present.id
    }

    /// What every value begins with that was sealed under the present key, and no other value.
    pub fn prefix(&self) -> String {
        format!("v1.{}.", self.present.id)
    }

    /// Seals under the present key what was sealed to `place` under another. Returns `None` if it was under the present one.
    pub fn reseal(&self, place: &str, sealed: &str) -> Result<Option<String>, SealError> {
        if sealed.starts_with(&self.prefix()) {
            return Ok(None);
        }
        self.seal(place, self.open(place, sealed)?.expose()).map(Some)
    }

    /// Seals `plain` to `place`: only who names the same place can open it, so a value cannot be moved elsewhere.
    pub fn seal(&self, place: &str, plain: &str) -> Result<String, SealError> {
        let mut buffer = plain.as_bytes().to_vec();
        let nonce = self
            .present
            .key
            .seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut buffer)
            .map_err(|_| SealError::Cipher)?;
        let mut out = nonce.as_ref().to_vec();
        out.append(&mut buffer);
        Ok(self.prefix() + &URL_SAFE_NO_PAD.encode(out))
    }

    /// Opens what was sealed to `place`.
    pub fn open(&self, place: &str, sealed: &str) -> Result<Secret, SealError> {
        let mut parts = sealed.splitn(3, '.');
        let (Some("v1"), Some(key_id), Some(body)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(SealError::NotSealed);
        };
        let known = std::iter::once(&self.present).chain(&self.previous).find(|known| known.id == key_id);
        let SealingKey { key, .. } = known.ok_or(SealError::UnknownKey)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| SealError::NotSealed)?;
        if bytes.len() < NONCE_LEN {
            return Err(SealError::NotSealed);
        }
        let mut buffer = bytes.split_off(NONCE_LEN);
        let nonce = Nonce::try_assume_unique_for_key(&bytes).map_err(|_| SealError::NotSealed)?;
        let plain =
            key.open_in_place(nonce, Aad::from(place.as_bytes()), &mut buffer).map_err(|_| SealError::NotAuthentic)?;
        String::from_utf8(plain.to_vec()).map(Secret::from).map_err(|_| SealError::NotAuthentic)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.present.id)
    }
}

/// An opaque token of 256 random bits, base64url.
pub fn opaque_token(entropy: &dyn super::entropy::Entropy) -> Result<Secret, super::entropy::Exhausted> {
    Ok(Secret::from(URL_SAFE_NO_PAD.encode(super::entropy::bytes::<32>(entropy)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(id: &str) -> Sealer {
        Sealer::new(id, &Secret::from("07".repeat(32))).unwrap()
    }

    #[test]
    fn sealed_values_open_in_their_place_only() {
        let sealed = sealer("1").seal("job-7:+919876543210", "123456").unwrap();
        assert!(!sealed.contains("123456"));
        assert_eq!(sealer("1").open("job-7:+919876543210", &sealed).unwrap().expose(), "123456");
        assert_eq!(sealer("1").open("job-8:+919876543210", &sealed), Err(SealError::NotAuthentic));
        assert_eq!(sealer("2").open("job-7:+919876543210", &sealed), Err(SealError::UnknownKey));
        assert_eq!(sealer("1").open("x", "v1.1.AAAA"), Err(SealError::NotSealed));
        assert_eq!(sealer("1").open("x", "123456"), Err(SealError::NotSealed));
    }

    #[test]
    fn what_the_previous_key_sealed_opens_and_is_sealed_anew() {
        let (old, new) = (Secret::from("07".repeat(32)), Secret::from("08".repeat(32)));
        let sealed = Sealer::new("1", &old).unwrap().seal("totp:7", "secret").unwrap();
        let both = Sealer::new("2", &new).unwrap().with_previous("1", &old).unwrap();
        assert_eq!(both.open("totp:7", &sealed).unwrap().expose(), "secret");
        assert_eq!(both.open("totp:8", &sealed), Err(SealError::NotAuthentic));
        let renewed = both.reseal("totp:7", &sealed).unwrap().unwrap();
        assert!(renewed.starts_with(&both.prefix()) && !sealed.starts_with(&both.prefix()));
        assert_eq!(both.reseal("totp:7", &renewed), Ok(None));
        assert_eq!(both.reseal("totp:8", &sealed), Err(SealError::NotAuthentic));

        let alone = Sealer::new("2", &new).unwrap();
        assert_eq!(alone.open("totp:7", &renewed).unwrap().expose(), "secret");
        assert_eq!(alone.open("totp:7", &sealed), Err(SealError::UnknownKey));
        assert_eq!(alone.reseal("totp:7", &sealed), Err(SealError::UnknownKey));
        // Names that begin alike are two names.
        assert!(!Sealer::new("22", &new).unwrap().seal("p", "x").unwrap().starts_with(&alone.prefix()));
    }

    #[test]
    fn two_seals_of_one_value_differ() {
        assert_ne!(sealer("1").seal("p", "x").unwrap(), sealer("1").seal("p", "x").unwrap());
    }

    #[test]
    fn keys_must_be_whole() {
        assert_eq!(Sealer::new("1", &Secret::from("07")).unwrap_err(), SealError::BadKey);
        assert_eq!(Sealer::new("1", &Secret::from("zz".repeat(32))).unwrap_err(), SealError::BadKey);
    }

    #[test]
    fn hashes_depend_on_key_domain_and_split() {
        let key = HashKey::new(&Secret::from("a".repeat(32)));
        let other = HashKey::new(&Secret::from("b".repeat(32)));
        assert_eq!(key.hash("otp", &["a", "bc"]), key.hash("otp", &["a", "bc"]));
        assert_ne!(key.hash("otp", &["a", "bc"]), key.hash("otp", &["ab", "c"]));
        assert_ne!(key.hash("otp", &["a"]), key.hash("refresh", &["a"]));
        assert_ne!(key.hash("otp", &["a"]), other.hash("otp", &["a"]));
    }

    #[test]
    fn a_hash_names_its_key_and_is_accepted_as_long_as_that_key_is_given() {
        let (old, new) = (Secret::from("a".repeat(32)), Secret::from("b".repeat(32)));
        let (before, after) = (HashKey::new(&old), HashKey::new(&new));
        let both = HashKey::new(&new).with_previous(&old);
        let (made_before, made_after) = (before.hash("otp", &["x"]), both.hash("otp", &["x"]));
        assert_eq!(made_after, after.hash("otp", &["x"]));
        assert_eq!(made_before[..4], before.hash("mfa", &["y"])[..4]);
        assert_ne!(made_before[..4], made_after[..4]);
        assert_eq!(both.hashes("otp", &["x"]), [made_after, made_before]);
        assert_eq!(after.hashes("otp", &["x"]), [made_after]);
        for made in [made_before, made_after] {
            assert!(both.matches("otp", &["x"], &made));
            for (domain, part, stored) in [("mfa", "x", &made[..]), ("otp", "y", &made), ("otp", "x", &made[..31])] {
                assert!(!both.matches(domain, &[part], stored));
            }
        }
        assert!(!after.matches("otp", &["x"], &made_before) && !before.matches("otp", &["x"], &made_after));
        assert!(both.is_present(&made_after) && !both.is_present(&made_before));
        let none = HashKey::new(&new).with_previous(&Secret::from(String::new()));
        assert_eq!(none.hashes("otp", &["x"]).len(), 1);
    }
}
