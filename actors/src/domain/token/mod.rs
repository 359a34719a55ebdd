//! Access tokens: JWT (RFC 7519) of type `at+jwt` (RFC 9068), signed with HS256, `EdDSA` or ES256.
//!
//! The verifier pins algorithm, type, issuer and audience, so that no other kind of token passes (RFC 8725): the `kid`
//! names one of the keys in the ring, and that key knows its only algorithm. Nothing else in a header is ever followed.

mod key;
mod ring;

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, Duration, Utc};
use jsonwebtoken::Validation;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::key::{Algorithm, Key, KeyError, NewKey};
pub use self::ring::{Member, ROLLOUT, Ring, SETTLE, State};
use super::principal::{Principal, SessionId, UserId};
use super::role::Role;
use super::secret::Secret;

/// The `typ` of an access token.
const TYPE: &str = "at+jwt";
/// How far the clocks of two nodes may differ.
const LEEWAY: i64 = 60;

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
    /// Not valid before, seconds since the epoch. We issue none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
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
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// The HS256 secret of the first key, at least 32 bytes.
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
    /// The keys were not read yet.
    #[error("the signing keys are not loaded yet")]
    NotLoaded,
    /// Every key was retired.
    #[error("there is no signing key")]
    NoKey,
    /// The token could not be signed.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// The keys of a node.
pub type Keys = Ring<Arc<Key>>;

/// Signs and verifies access tokens with the keys of a ring, which is put in once they were read and replaced when they
/// change. Before that nothing is signed or accepted.
pub struct Tokens {
    config: Config,
    first: Arc<Key>,
    validations: [Validation; 3],
    ring: RwLock<Option<Arc<Keys>>>,
}

impl Tokens {
    /// Tokens without keys.
    pub fn new(config: Config) -> Self {
        let first = Arc::new(Key::configured(&config.secret));
        let validations = Algorithm::ALL.map(|algorithm| validation(algorithm, &config));
        Self { config, first, validations, ring: RwLock::default() }
    }

    /// How tokens are signed.
    pub const fn algorithm(&self) -> Algorithm {
        self.config.algorithm
    }

    /// The key of the configured secret, which signs HS256 until there is another.
    pub fn first_key(&self) -> Member<Arc<Key>> {
        let (kid, active_from) = (self.first.kid().to_owned(), DateTime::<Utc>::MIN_UTC);
        Member { kid, algorithm: Algorithm::Hs256, active_from, retired_at: None, key: Arc::clone(&self.first) }
    }

    /// The ring of `members`, by the configured algorithm and lives.
    pub fn ring_of<K>(&self, members: Vec<Member<K>>) -> Ring<K> {
        Ring::new(self.config.algorithm, self.longest_life(), members)
    }

    /// Uses these keys from now on.
    pub fn replace(&self, ring: Keys) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ring));
    }

    /// Whether there are keys.
    pub fn is_loaded(&self) -> bool {
        self.ring().is_ok()
    }

    fn ring(&self) -> Result<Arc<Keys>, TokenError> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or(TokenError::NotLoaded)
    }

    /// How long a token of `role` lives.
    pub fn life(&self, role: Role) -> Duration {
        if role.needs_password() { self.config.officer_life } else { self.config.citizen_life }
    }

    /// How long a token lives at the longest, whoever holds it.
    pub fn longest_life(&self) -> Duration {
        self.config.citizen_life.max(self.config.officer_life)
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
            nbf: None,
            auth_time: principal.auth_time.timestamp(),
            amr: principal.amr.clone(),
            ver: principal.token_epoch,
        };
        let ring = self.ring()?;
        let key = &ring.signer(now).ok_or(TokenError::NoKey)?.key;
        jsonwebtoken::encode(&key.header, &claims, &key.signing).map(Secret::from).map_err(TokenError::Signing)
    }

    /// Verifies a token and says who holds it.
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Result<Principal, TokenError> {
        let ring = self.ring()?;
        let key = key_of(&ring, token, now).ok_or(TokenError::Invalid)?;
        let data = jsonwebtoken::decode::<Claims>(token, &key.verifying, self.validation(key.algorithm()))
            .map_err(|_| TokenError::Invalid)?;
        let (header, claims) = (data.header, data.claims);
        let ours = header.typ.as_deref() == Some(TYPE)
            && header.kid.as_deref() == Some(key.kid())
            // An extension that must be understood; we understand none (RFC 7515, 4.1.11).
            && header.crit.is_none();
        let (at, soon) = (now.timestamp(), now.timestamp() + LEEWAY);
        let live = claims.exp > at && claims.iat <= soon && claims.nbf.is_none_or(|nbf| nbf <= soon);
        if !ours || !live || claims.sub != claims.user_id.to_string() {
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

    /// The public keys with which others verify our tokens (RFC 7517, 5), the one that signs next among them. HS256 has none.
    pub fn jwks(&self, now: DateTime<Utc>) -> Result<Value, TokenError> {
        let ring = self.ring()?;
        let keys: Vec<_> = ring.verifying(now).filter_map(|member| member.key.public_jwk()).collect();
        Ok(json!({ "keys": keys }))
    }

    const fn validation(&self, algorithm: Algorithm) -> &Validation {
        let [hs256, ed_dsa, es256] = &self.validations;
        match algorithm {
            Algorithm::Hs256 => hs256,
            Algorithm::EdDsa => ed_dsa,
            Algorithm::Es256 => es256,
        }
    }
}

/// The key that a token names. Its header is usually, byte for byte, what the key writes, and then needs no reading here.
fn key_of<'a>(ring: &'a Keys, token: &str, now: DateTime<Utc>) -> Option<&'a Key> {
    let (header, _) = token.split_once('.')?;
    let written = ring.verifying(now).find(|member| member.key.encoded_header == header);
    let member = written.or_else(|| {
        let header = jsonwebtoken::decode_header(token).ok()?;
        ring.verifying(now).find(|member| header.kid.as_deref() == Some(member.kid.as_str()))
    });
    member.map(|member| &*member.key)
}

/// What is demanded of a token of `algorithm`.
fn validation(algorithm: Algorithm, config: &Config) -> Validation {
    let mut validation = Validation::new(algorithm.jwt());
    validation.set_issuer(&[&config.issuer]);
    validation.set_audience(&[&config.audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    // Times are judged by the injected clock.
    validation.validate_exp = false;
    validation
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
