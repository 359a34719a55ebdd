//! One signing key: made, opened, named, published.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};

use super::TYPE;
use crate::domain::entropy::{self, Entropy, Exhausted};
use crate::domain::secret::Secret;

/// The first byte of an uncompressed point.
const UNCOMPRESSED: u8 = 4;

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: who verifies can also sign.
    Hs256,
    /// Ed25519.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

impl Algorithm {
    /// Every algorithm. No other is ever accepted.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::EdDsa, Self::Es256];

    /// The name in tokens, in the database and in configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }

    /// The algorithm of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    pub(super) const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
        }
    }
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] Exhausted),
    /// The library made none.
    #[error("no key could be made")]
    NotMade,
    /// These bytes are not a key of this algorithm, or not the key of this name.
    #[error("this is not the key it is said to be")]
    Damaged,
}

/// A key that was just made and is not stored yet.
#[derive(Debug)]
pub struct NewKey {
    /// Its name.
    pub kid: String,
    /// Its only algorithm.
    pub algorithm: Algorithm,
    /// What is kept sealed: the secret or the private key (PKCS#8), base64url.
    pub secret: Secret,
    /// The public key (RFC 7517); `None` for HS256.
    pub public_jwk: Option<Value>,
}

impl NewKey {
    /// Makes a key of `algorithm`. Private keys are drawn by the library itself, which takes no source of randomness.
    pub fn generate(algorithm: Algorithm, entropy: &dyn Entropy) -> Result<Self, KeyError> {
        #[expect(clippy::disallowed_methods, reason = "an argument that must be given and is not used")]
        let unused = SystemRandom::new();
        let secret = match algorithm {
            Algorithm::Hs256 => URL_SAFE_NO_PAD.encode(entropy::bytes::<32>(entropy)?),
            Algorithm::EdDsa => {
                let pkcs8 = Ed25519KeyPair::generate_pkcs8(&unused).map_err(|_| KeyError::NotMade)?;
                URL_SAFE_NO_PAD.encode(pkcs8.as_ref())
            }
            Algorithm::Es256 => {
                let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &unused);
                URL_SAFE_NO_PAD.encode(made.map_err(|_| KeyError::NotMade)?.as_ref())
            }
        };
        let secret = Secret::from(secret);
        let public_jwk = match algorithm {
            Algorithm::Hs256 => None,
            Algorithm::EdDsa | Algorithm::Es256 => Some(Public::of(algorithm, &bytes(&secret)?)?.jwk()),
        };
        let kid = match &public_jwk {
            Some(jwk) => jwk.get("kid").and_then(Value::as_str).unwrap_or_default().to_owned(),
            None => hex::encode(entropy::bytes::<8>(entropy)?),
        };
        Ok(Self { kid, algorithm, secret, public_jwk })
    }
}

/// A key, ready to sign and to verify.
pub struct Key {
    kid: String,
    algorithm: Algorithm,
    pub(super) header: Header,
    /// The first segment of every token that this key signs.
    pub(super) encoded_header: String,
    pub(super) signing: EncodingKey,
    pub(super) verifying: DecodingKey,
    public_jwk: Option<Value>,
}

impl Key {
    /// The HS256 key of a configured secret. Its name tells nothing of it: the first bytes of a hash under the key itself.
    pub fn configured(secret: &Secret) -> Self {
        let secret = secret.expose().as_bytes();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let hash = hmac::sign(&key, b"civiclens token key id");
        let kid = hex::encode(hash.as_ref().get(..6).unwrap_or_default());
        Self::hs256(kid, secret)
    }

    /// Opens a stored key: `secret` is that of [`NewKey`]. The public key is taken from the private one and nowhere else,
    /// so that only who can seal can have a key accepted.
    pub fn open(kid: &str, algorithm: Algorithm, secret: &Secret) -> Result<Self, KeyError> {
        let secret = bytes(secret)?;
        let (signing, public) = match algorithm {
            Algorithm::Hs256 if secret.len() == 32 => return Ok(Self::hs256(kid.to_owned(), &secret)),
            Algorithm::Hs256 => return Err(KeyError::Damaged),
            Algorithm::EdDsa => (EncodingKey::from_ed_der(&secret), Public::of(algorithm, &secret)?),
            Algorithm::Es256 => (EncodingKey::from_ec_der(&secret), Public::of(algorithm, &secret)?),
        };
        if public.thumbprint() != kid {
            return Err(KeyError::Damaged);
        }
        Ok(Self::of(kid.to_owned(), algorithm, signing, public.decoding_key(), Some(public.jwk())))
    }

    fn hs256(kid: String, secret: &[u8]) -> Self {
        let (signing, verifying) = (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Self::of(kid, Algorithm::Hs256, signing, verifying, None)
    }

    fn of(
        kid: String,
        algorithm: Algorithm,
        signing: EncodingKey,
        verifying: DecodingKey,
        public_jwk: Option<Value>,
    ) -> Self {
        let mut header = Header::new(algorithm.jwt());
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(kid.clone());
        let encoded_header = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).unwrap_or_default());
        Self { kid, algorithm, header, encoded_header, signing, verifying, public_jwk }
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Its only algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key (RFC 7517); `None` for HS256.
    pub const fn public_jwk(&self) -> Option<&Value> {
        self.public_jwk.as_ref()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("kid", &self.kid).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn bytes(secret: &Secret) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD.decode(secret.expose()).map_err(|_| KeyError::Damaged)
}

/// A public key, as the library writes it.
enum Public {
    Ed25519(Vec<u8>),
    /// An uncompressed point, and its coordinates.
    P256(Vec<u8>),
}

impl Public {
    /// The public half of a private key.
    fn of(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Hs256 => Err(KeyError::Damaged),
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| KeyError::Damaged)?;
                Ok(Self::Ed25519(pair.public_key().as_ref().to_vec()))
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8);
                let point = pair.map_err(|_| KeyError::Damaged)?.public_key().as_ref().to_vec();
                let plain = point.len() == 65 && point.first() == Some(&UNCOMPRESSED);
                if plain { Ok(Self::P256(point)) } else { Err(KeyError::Damaged) }
            }
        }
    }

    /// The members that define the key, in the order of their names, without white space: what RFC 7638 hashes.
    fn members(&self) -> String {
        let text = |bytes: Option<&[u8]>| URL_SAFE_NO_PAD.encode(bytes.unwrap_or_default());
        match self {
            Self::Ed25519(x) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(Some(x))),
            Self::P256(point) => {
                let (x, y) = (text(point.get(1..33)), text(point.get(33..)));
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
        }
    }

    /// The thumbprint (RFC 7638), which is the key's name.
    fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, self.members().as_bytes()))
    }

    fn jwk(&self) -> Value {
        let mut jwk: Value = serde_json::from_str(&self.members()).unwrap_or_default();
        if let Some(members) = jwk.as_object_mut() {
            members.insert("kid".to_owned(), json!(self.thumbprint()));
            members.insert("use".to_owned(), json!("sig"));
            members.insert("alg".to_owned(), json!(self.algorithm().as_str()));
        }
        jwk
    }

    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDsa,
            Self::P256(_) => Algorithm::Es256,
        }
    }

    fn decoding_key(&self) -> DecodingKey {
        match self {
            Self::Ed25519(raw) => DecodingKey::from_ed_der(raw),
            Self::P256(point) => DecodingKey::from_ec_der(point),
        }
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::crypto::verify;

    use super::*;
    use crate::domain::entropy::SystemEntropy;

    fn decoded(text: &str) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    /// Splits a compact token: what is signed, and the signature.
    fn signed(token: &str) -> (&str, &str) {
        token.rsplit_once('.').unwrap()
    }

    #[test]
    fn the_hs256_example_of_rfc_7515_verifies() {
        let key = Key::hs256(
            "a1".to_owned(),
            &decoded("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
        );
        let (message, signature) = signed(
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
             cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        );
        assert!(verify(signature, message.as_bytes(), &key.verifying, key.algorithm.jwt()).unwrap());
        assert!(!verify(signature, b"another message", &key.verifying, key.algorithm.jwt()).unwrap());
    }

    #[test]
    fn the_ed25519_example_of_rfc_8037_verifies_and_is_named() {
        let seed = decoded("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A");
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let secret = Secret::from(URL_SAFE_NO_PAD.encode(pair.to_pkcs8().unwrap().as_ref()));
        let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let key = Key::open(kid, Algorithm::EdDsa, &secret).unwrap();
        let jwk = key.public_jwk().unwrap();
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let message = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        assert!(verify(signature, message.as_bytes(), &key.verifying, key.algorithm.jwt()).unwrap());
        // The signature is deterministic, so ours is that of the example.
        assert_eq!(URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes()).as_ref()), signature);
    }

    #[test]
    fn the_es256_example_of_rfc_7515_verifies() {
        let mut point = vec![UNCOMPRESSED];
        point.extend(decoded("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"));
        point.extend(decoded("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
        let public = Public::P256(point);
        assert_eq!(public.jwk()["y"], "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let (message, signature) = signed(
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290\
             Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        );
        assert!(verify(signature, message.as_bytes(), &public.decoding_key(), Algorithm::Es256.jwt()).unwrap());
    }

    #[test]
    fn made_keys_open_again_under_their_name_only() {
        for algorithm in Algorithm::ALL {
            let new = NewKey::generate(algorithm, &SystemEntropy::default()).unwrap();
            let key = Key::open(&new.kid, algorithm, &new.secret).unwrap();
            assert_eq!((key.kid(), key.public_jwk()), (new.kid.as_str(), new.public_jwk.as_ref()));
            assert_ne!(NewKey::generate(algorithm, &SystemEntropy::default()).unwrap().kid, new.kid);
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(Key::open(&new.kid, other, &new.secret).is_err(), "{algorithm:?} as {other:?}");
            }
            if algorithm != Algorithm::Hs256 {
                assert!(Key::open("another", algorithm, &new.secret).is_err());
                let jwk = new.public_jwk.unwrap();
                assert_eq!((&jwk["alg"], &jwk["use"]), (&json!(algorithm.as_str()), &json!("sig")));
                assert!(jwk.get("d").is_none(), "the private half stays here");
                assert!(serde_json::from_value::<jsonwebtoken::jwk::Jwk>(jwk).is_ok());
            }
            assert!(!format!("{key:?}").contains(new.secret.expose()));
            assert_eq!(Algorithm::parse(algorithm.as_str()), Some(algorithm));
        }
        assert_eq!(Algorithm::parse("none"), None);
    }
}
