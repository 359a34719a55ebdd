//! Access tokens: JWT (RFC 7519) of type `at+jwt` (RFC 9068), HS256.
//!
//! The verifier pins algorithm, type, issuer and audience, so that no other kind of token passes (RFC 8725).

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use super::principal::{Principal, SessionId, UserId};
use super::role::Role;
use super::secret::Secret;

/// The `typ` of an access token.
const TYPE: &str = "at+jwt";

/// The claims of an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// Issuer.
    pub iss: String,
    /// Audience.
    pub aud: String,
    /// The user id, as text.
    pub sub: String,
    /// The user id.
    pub user_id: i64,
    /// The role at the time of issue.
    pub role: Role,
    /// The session.
    pub sid: i64,
    /// Identifies this token.
    pub jti: String,
    /// Issued at, seconds since the epoch.
    pub iat: i64,
    /// Expires at, seconds since the epoch.
    pub exp: i64,
    /// When the user last authenticated, seconds since the epoch.
    pub auth_time: i64,
    /// Authentication methods (RFC 8176).
    pub amr: Vec<String>,
    /// The user's token epoch ([`Principal::token_epoch`]).
    #[serde(default)]
    pub ver: i32,
}

/// How tokens are made.
#[derive(Clone, Debug)]
pub struct Config {
    /// The HS256 secret, at least 32 bytes.
    pub secret: Secret,
    /// The `iss` claim.
    pub issuer: String,
    /// The `aud` claim.
    pub audience: String,
    /// Life of a token of citizens, contributors and moderators.
    pub citizen_life: Duration,
    /// Life of a token of officers, administrators and auditors.
    pub officer_life: Duration,
}

/// Why a token was not made or not accepted. Callers are told nothing finer than "invalid".
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Not a valid token of ours.
    #[error("the token is not valid")]
    Invalid,
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// Signs and verifies access tokens.
pub struct Tokens {
    config: Config,
    header: Header,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

impl Tokens {
    /// Prepares the keys.
    pub fn new(config: Config) -> Self {
        let secret = config.secret.expose().as_bytes();
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(TYPE.to_owned());
        header.kid = Some(key_id(secret));
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Expiry is judged by the injected clock, below.
        validation.validate_exp = false;
        Self {
            signing: EncodingKey::from_secret(secret),
            verifying: DecodingKey::from_secret(secret),
            header,
            validation,
            config,
        }
    }

    /// How long a token of `role` lives.
    pub fn life(&self, role: Role) -> Duration {
        if role.needs_password() { self.config.officer_life } else { self.config.citizen_life }
    }

    /// How long a token lives at the longest, whoever holds it.
    pub fn longest_life(&self) -> Duration {
        self.config.officer_life.max(self.config.citizen_life)
    }

    /// Signs a token for `principal`; `jti` identifies it.
    pub fn sign(&self, principal: &Principal, jti: String, now: DateTime<Utc>) -> Result<Secret, TokenError> {
        let claims = Claims {
            iss: self.config.issuer.clone(),
            aud: self.config.audience.clone(),
            sub: principal.user_id.to_string(),
            user_id: principal.user_id.get(),
            role: principal.role,
            sid: principal.session_id.get(),
            jti,
            iat: now.timestamp(),
            exp: principal.expires_at.timestamp(),
            auth_time: principal.auth_time.timestamp(),
            amr: principal.amr.clone(),
            ver: principal.token_epoch,
        };
        jsonwebtoken::encode(&self.header, &claims, &self.signing).map(Secret::from).map_err(TokenError::Signing)
    }

    /// Verifies a token and says who holds it.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        let data = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|_| TokenError::Invalid)?;
        let claims = data.claims;
        let typed = data.header.typ.as_deref() == Some(TYPE) && data.header.kid == self.header.kid;
        let live = claims.exp > now.timestamp();
        if !typed || !live || claims.sub != claims.user_id.to_string() {
            return Err(TokenError::Invalid);
        }
        let time = |seconds| DateTime::from_timestamp(seconds, 0).ok_or(TokenError::Invalid);
        Ok(Principal {
            user_id: UserId::from(claims.user_id),
            role: claims.role,
            session_id: SessionId::from(claims.sid),
            amr: claims.amr,
            auth_time: time(claims.auth_time)?,
            token_epoch: claims.ver,
            expires_at: time(claims.exp)?,
        })
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A name for a key that tells nothing of it: the first bytes of a hash under the key itself.
fn key_id(secret: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret);
    let hash = aws_lc_rs::hmac::sign(&key, b"civiclens token key id");
    hex::encode(hash.as_ref().get(..6).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn tokens(secret: &str, audience: &str) -> Tokens {
        Tokens::new(Config {
            secret: Secret::from(secret),
            issuer: "civiclens".into(),
            audience: audience.into(),
            citizen_life: Duration::hours(24),
            officer_life: Duration::hours(8),
        })
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000, 0).unwrap()
    }

    fn principal() -> Principal {
        Principal {
            user_id: 7.into(),
            role: Role::Citizen,
            session_id: 9.into(),
            amr: vec!["otp".into(), "sms".into()],
            auth_time: now(),
            token_epoch: 0,
            expires_at: now() + Duration::hours(24),
        }
    }

    const SECRET: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_token_tells_who_holds_it_until_it_expires() {
        let tokens = tokens(SECRET, "civiclens");
        let token = tokens.sign(&principal(), "j".into(), now()).unwrap();
        let read = tokens.verify(token.expose(), now() + Duration::hours(23)).unwrap();
        assert_eq!((read.user_id, read.session_id, read.role), (7.into(), 9.into(), Role::Citizen));
        assert!(tokens.verify(token.expose(), now() + Duration::hours(24)).is_err());
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let tokens = tokens(SECRET, "civiclens");
        let token = tokens.sign(&principal(), "j".into(), now()).unwrap();
        let text = token.expose();
        for position in 0..text.len() - 1 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(tokens.verify(&changed, now()).is_err(), "{position}");
        }
    }

    #[test]
    fn other_keys_audiences_types_and_algorithms_are_refused() {
        let ours = tokens(SECRET, "civiclens");
        for other in [tokens(&SECRET.replace('0', "1"), "civiclens"), tokens(SECRET, "reports")] {
            let token = other.sign(&principal(), "j".into(), now()).unwrap();
            assert!(ours.verify(token.expose(), now()).is_err());
        }
        let token = ours.sign(&principal(), "j".into(), now()).unwrap();
        let body = token.expose().split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
        assert!(ours.verify(&format!("{header}.{body}."), now()).is_err());
        let mut plain = Header::new(Algorithm::HS256);
        plain.kid.clone_from(&ours.header.kid);
        let claims: serde_json::Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap();
        let untyped = jsonwebtoken::encode(&plain, &claims, &ours.signing).unwrap();
        assert!(ours.verify(&untyped, now()).is_err());
    }
}
