//! Randomness as a parameter: one source for codes, tokens, nonces and identifiers.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use chrono::{DateTime, Utc};
use uuid::Uuid;

/// Why no random bytes came.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub struct Exhausted;

/// A source of random bytes fit for secrets.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted>;
}

/// The CSPRNG of aws-lc, seeded by the operating system and safe across forks.
#[derive(Debug, Default)]
pub struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
        self.0.fill(bytes).map_err(|_| Exhausted)
    }
}

/// `N` random bytes.
pub fn bytes<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], Exhausted> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

/// A UUID of version 7 (RFC 9562): ordered by `now`, unique by 74 random bits. Not a secret.
pub fn uuid_v7(now: DateTime<Utc>, entropy: &dyn Entropy) -> Result<Uuid, Exhausted> {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &bytes(entropy)?).into_uuid())
}
