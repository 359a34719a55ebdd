//! Randomness as a parameter: one source for codes, tokens, nonces and identifiers.

use std::sync::{Arc, Mutex, PoisonError};

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

/// Random bytes for identifiers, drawn from `source` many at a time: a draw costs more than its bytes. Not for secrets, since
/// what is drawn lies in memory until it is used.
#[derive(Debug)]
pub struct DrawnAhead {
    source: Arc<dyn Entropy>,
    ahead: Mutex<Ahead>,
}

#[derive(Debug)]
struct Ahead {
    bytes: Vec<u8>,
    used: usize,
}

impl DrawnAhead {
    /// Draws from `source`.
    pub fn new(source: Arc<dyn Entropy>) -> Self {
        let bytes = vec![0; 1024];
        Self { source, ahead: Mutex::new(Ahead { used: bytes.len(), bytes }) }
    }
}

impl Entropy for DrawnAhead {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let Ahead { bytes: drawn, used } = &mut *ahead;
        if bytes.len() > drawn.len() {
            return self.source.fill(bytes);
        }
        if bytes.len() > drawn.len() - *used {
            // Spent before they are there: none of the last is given out again if this fails.
            *used = drawn.len();
            self.source.fill(drawn)?;
            *used = 0;
        }
        let end = *used + bytes.len();
        bytes.copy_from_slice(&drawn[*used..end]);
        *used = end;
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives out 0, 1, 2, …, and nothing more after `left` bytes.
    #[derive(Debug)]
    struct Counted(Mutex<(u8, usize)>);

    impl Entropy for Counted {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), Exhausted> {
            let mut state = self.0.lock().map_err(|_| Exhausted)?;
            state.1 = state.1.checked_sub(bytes.len()).ok_or(Exhausted)?;
            for byte in bytes {
                *byte = state.0;
                state.0 = state.0.wrapping_add(1);
            }
            Ok(())
        }
    }

    #[test]
    fn what_is_drawn_ahead_is_given_out_once() {
        let drawn = DrawnAhead::new(Arc::new(Counted(Mutex::new((0, 2048)))));
        let mut given = Vec::new();
        for size in [1, 16, 500, 500, 7] {
            let mut bytes = vec![0; size];
            drawn.fill(&mut bytes).unwrap();
            given.push((bytes[0], bytes[size - 1]));
        }
        // 1017 of the first 1024 were asked for; seven more just fit.
        assert_eq!(given, [(0, 0), (1, 16), (17, 4), (5, 248), (249, 255)]);
        assert_eq!(bytes::<4>(&drawn).unwrap(), [0, 1, 2, 3], "the next draw");
        assert!(drawn.fill(&mut [0; 1025]).is_err(), "more than is drawn ahead comes from the source itself");
        assert!(drawn.fill(&mut [0; 1021]).is_err() && drawn.fill(&mut [0; 1]).is_err(), "nothing twice");
    }
}
