//! How a password is kept: bcrypt over a keyed pre-hash, so that no byte is cut at bcrypt's 72.
//!
//! A stored hash says by its beginning how it was made:
//! - `v1:` is bcrypt over base64(HMAC-SHA-256(pepper, password)). It does not name its pepper: where a previous one is
//!   configured, both are tried.
//! - `$2a$`, `$2b$` and `$2y$` were imported: plain bcrypt over the password, which its maker cut at 72 bytes, so it is
//!   cut here as well. They are outdated and go with the next login.

use std::hint::black_box;
use std::str::FromStr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use bcrypt::HashParts;

use super::super::entropy::{self, Entropy};
use super::super::secret::{REDACTED, Secret};
use super::normalized;

/// What a hash of the present scheme begins with.
const SCHEME: &str = "v1:";
/// What imported hashes begin with.
const IMPORTED: [&str; 3] = ["$2a$", "$2b$", "$2y$"];
/// bcrypt's least cost.
const LEAST_COST: u32 = 4;
/// The highest cost that is computed: a stored hash that asks for more would occupy a thread for minutes.
const MOST_COST: u32 = 16;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Longer than any policy allows.
    #[error("the password is too long to be hashed")]
    TooLong,
    /// No salt.
    #[error(transparent)]
    Entropy(#[from] entropy::Exhausted),
    /// bcrypt refused.
    #[error("the password could not be hashed")]
    Bcrypt(#[from] bcrypt::BcryptError),
}

/// Whether a password belongs to a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it does.
    pub matches: bool,
    /// Whether the hash should be replaced by a new one of this password: another scheme, a lower cost, a previous pepper.
    pub outdated: bool,
}

impl Verdict {
    /// It does not.
    pub const NO: Self = Self { matches: false, outdated: false };
}

/// What hashing depends on.
#[derive(Clone, Debug)]
pub struct Config {
    /// Mixed into every password.
    pub pepper: Secret,
    /// The pepper before it, while hashes under it remain; empty for none.
    pub previous_pepper: Secret,
    /// bcrypt's cost: 2^cost rounds.
    pub cost: u32,
}

/// Hashes and verifies. Both block for about 2^cost rounds: never call them on a thread that serves requests.
pub struct Scheme {
    pepper: hmac::Key,
    previous: Option<hmac::Key>,
    cost: u32,
    /// The highest cost of any stored hash, as far as it is known: what a refusal costs is made up to it.
    dearest: AtomicU32,
}

impl std::fmt::Debug for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scheme").field("pepper", &REDACTED).field("cost", &self.cost).finish_non_exhaustive()
    }
}

impl Scheme {
    /// The scheme of `config`.
    pub fn new(config: &Config) -> Self {
        let key = |pepper: &Secret| hmac::Key::new(hmac::HMAC_SHA256, pepper.expose().as_bytes());
        let previous = (!config.previous_pepper.is_empty()).then(|| key(&config.previous_pepper));
        let cost = config.cost.clamp(LEAST_COST, MOST_COST);
        Self { pepper: key(&config.pepper), previous, cost, dearest: AtomicU32::new(cost) }
    }

    /// There are stored hashes of costs up to `dearest`, and none above: refusals cost as much as theirs from now on.
    pub fn stored_costs_go_to(&self, dearest: Option<u32>) {
        let dearest = dearest.unwrap_or(self.cost).clamp(self.cost, MOST_COST);
        self.dearest.store(dearest, Relaxed);
    }

    /// The same scheme at bcrypt's least cost: a millisecond. For probes, never for passwords.
    pub fn at_least_cost(&self) -> Self {
        Self { pepper: self.pepper.clone(), previous: None, cost: LEAST_COST, dearest: AtomicU32::new(LEAST_COST) }
    }

    /// Hashes `password`, which the policy has accepted.
    pub fn hash(&self, password: &Secret, entropy: &dyn Entropy) -> Result<String, HashError> {
        let text = normalized(password).ok_or(HashError::TooLong)?;
        let salt = entropy::bytes(entropy)?;
        let hash = bcrypt::non_truncating_hash_with_salt(prehash(&self.pepper, &text), self.cost, salt)?;
        Ok(format!("{SCHEME}{}", hash.format_for_version(bcrypt::Version::TwoB)))
    }

    /// Whether `password` belongs to `stored`; to `None`, an account that is not there, nothing does.
    ///
    /// Every refusal costs the same, as much as the dearest stored hash, whether the account is unknown, its hash unreadable,
    /// imported or of a lower cost: time does not tell one from the other.
    pub fn verify(&self, password: &Secret, stored: Option<&str>) -> Verdict {
        self.verify_counting(password, stored).0
    }

    /// The verdict, and the rounds of bcrypt that it took, which are all that takes time.
    fn verify_counting(&self, password: &Secret, stored: Option<&str>) -> (Verdict, u64) {
        let stored = stored.and_then(Stored::read);
        if let Some(stored) = &stored {
            // It came since the costs were last looked at.
            self.dearest.fetch_max(stored.cost, Relaxed);
        }
        let mut rounds = 0;
        let verdict = match (normalized(password), stored) {
            (Some(text), Some(stored)) => self.compare(&text, &stored, &mut rounds),
            _ => Verdict::NO,
        };
        if !verdict.matches {
            rounds += self.burn(rounds);
        }
        (verdict, rounds)
    }

    fn compare(&self, text: &str, stored: &Stored<'_>, rounds: &mut u64) -> Verdict {
        let mut belongs = |input: &[u8]| {
            *rounds += 1 << stored.cost;
            bcrypt::verify(input, stored.hash).unwrap_or(false)
        };
        if !stored.keyed {
            return if belongs(text.as_bytes()) { Verdict { matches: true, outdated: true } } else { Verdict::NO };
        }
        if belongs(prehash(&self.pepper, text).as_bytes()) {
            return Verdict { matches: true, outdated: stored.cost < self.cost };
        }
        match &self.previous {
            Some(previous) if belongs(prehash(previous, text).as_bytes()) => Verdict { matches: true, outdated: true },
            _ => Verdict::NO,
        }
    }

    /// Makes up for what a refusal cost less than the dearest one. Answers the rounds it took.
    fn burn(&self, spent: u64) -> u64 {
        let highest = self.dearest.load(Relaxed);
        let dearest = (1_u64 << highest) * if self.previous.is_some() { 2 } else { 1 };
        let (mut left, mut burnt) = (dearest.saturating_sub(spent), 0);
        for cost in (LEAST_COST..=highest).rev() {
            while left >= 1 << cost {
                let _ = black_box(bcrypt::hash_with_salt(black_box("nobody's"), cost, [0; 16]));
                left -= 1 << cost;
                burnt += 1 << cost;
            }
        }
        burnt
    }
}

/// A stored hash, read.
struct Stored<'a> {
    keyed: bool,
    cost: u32,
    hash: &'a str,
}

impl<'a> Stored<'a> {
    /// Returns `None` for what this program cannot or will not compute.
    fn read(text: &'a str) -> Option<Self> {
        let (keyed, hash) = text.strip_prefix(SCHEME).map_or((false, text), |hash| (true, hash));
        if !IMPORTED.iter().any(|start| hash.starts_with(start)) {
            return None;
        }
        let cost = HashParts::from_str(hash).ok()?.get_cost();
        (LEAST_COST..=MOST_COST).contains(&cost).then_some(Self { keyed, cost, hash })
    }
}

fn prehash(pepper: &hmac::Key, text: &str) -> String {
    STANDARD_NO_PAD.encode(hmac::sign(pepper, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::domain::entropy::SystemEntropy;

    const YES: Verdict = Verdict { matches: true, outdated: false };
    const YES_BUT_OLD: Verdict = Verdict { matches: true, outdated: true };

    fn scheme(pepper: &str, previous_pepper: &str, cost: u32) -> Scheme {
        let (pepper, previous_pepper) = (Secret::from(pepper), Secret::from(previous_pepper));
        Scheme::new(&Config { pepper, previous_pepper, cost })
    }

    fn hashed(scheme: &Scheme, password: &str) -> String {
        scheme.hash(&Secret::from(password), &SystemEntropy::default()).unwrap()
    }

    fn verified(scheme: &Scheme, password: &str, stored: &str) -> Verdict {
        scheme.verify(&Secret::from(password), Some(stored))
    }

    #[test]
    fn every_byte_of_a_long_password_counts() {
        let (long, scheme) = ("x".repeat(128), scheme("pepper", "", 4));
        let stored = hashed(&scheme, &long);
        assert!(stored.starts_with("v1:$2b$04$"));
        assert_eq!(verified(&scheme, &long, &stored), YES);
        for at in [0, 71, 72, 73, 127] {
            let mut other = long.clone();
            other.replace_range(at..=at, "y");
            assert_eq!(verified(&scheme, &other, &stored), Verdict::NO, "byte {at}");
        }
        for other in ["", &long[..127], &format!("{long} "), &long.to_uppercase()] {
            assert_eq!(verified(&scheme, other, &stored), Verdict::NO);
        }
    }

    #[test]
    fn imported_hashes_verify_cut_at_72_bytes_and_are_outdated() {
        let (long, scheme) = ("é".repeat(40), scheme("pepper", "", 4));
        let plain = bcrypt::hash_with_salt(&long, 4, [7; 16]).unwrap();
        for version in [bcrypt::Version::TwoA, bcrypt::Version::TwoB, bcrypt::Version::TwoY] {
            let stored = plain.format_for_version(version);
            assert_eq!(verified(&scheme, &long, &stored), YES_BUT_OLD);
            assert_eq!(verified(&scheme, &"é".repeat(36), &stored), YES_BUT_OLD);
            assert_eq!(verified(&scheme, &"é".repeat(35), &stored), Verdict::NO);
            assert_eq!(verified(&scheme, &long, &format!("v1:{stored}")), Verdict::NO);
        }
        // A known vector, made by another program.
        let vector = "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe";
        assert_eq!(verified(&scheme, "a", vector), YES_BUT_OLD);
    }

    #[test]
    fn a_lower_cost_and_a_previous_pepper_are_outdated() {
        let (old, new) = (scheme("old", "", 4), scheme("new", "old", 5));
        assert_eq!(verified(&new, "Zebra-41", &hashed(&old, "Zebra-41")), YES_BUT_OLD);
        assert_eq!(verified(&new, "Zebra-41", &hashed(&scheme("new", "", 4), "Zebra-41")), YES_BUT_OLD);
        assert_eq!(verified(&new, "Zebra-41", &hashed(&new, "Zebra-41")), YES);
        assert_eq!(verified(&scheme("new", "", 5), "Zebra-41", &hashed(&old, "Zebra-41")), Verdict::NO);
        assert_eq!(verified(&new, "Zebra-42", &hashed(&old, "Zebra-41")), Verdict::NO);
    }

    #[test]
    fn what_cannot_be_read_matches_nothing() {
        let scheme = scheme("pepper", "", 4);
        let good = hashed(&scheme, "");
        let (dear, another) = (good.replace("$04$", "$31$"), good.replace("v1:", "v2:"));
        for stored in
            ["", "v1:", "plain", "$2b$12$not-a-hash-anyone-can-match", &dear, &another, &good.replace("2b", "2x")]
        {
            assert_eq!(verified(&scheme, "", stored), Verdict::NO, "{stored}");
        }
        assert_eq!(scheme.verify(&Secret::from(""), None), Verdict::NO);
        let huge = Secret::from("x".repeat(10_000));
        assert_eq!(scheme.verify(&huge, Some(&good)), Verdict::NO);
        assert!(matches!(scheme.hash(&huge, &SystemEntropy::default()), Err(HashError::TooLong)));
    }

    #[test]
    fn every_refusal_takes_the_same_rounds() {
        let scheme = scheme("new", "old", 8);
        let plain = bcrypt::hash_with_salt("x", 5, [7; 16]).unwrap().to_string();
        let current = hashed(&scheme, "Zebra-41");
        for stored in [Some(&*current), Some(&*plain), None, Some("unreadable")] {
            let outcome = scheme.verify_counting(&Secret::from("wrong"), stored);
            assert_eq!(outcome, (Verdict::NO, 2 << 8), "{stored:?}");
        }
    }

    #[test]
    fn a_refusal_costs_what_the_dearest_stored_hash_does() {
        let (dear, cheap) = (scheme("new", "", 8), scheme("new", "", 5));
        let (stored, own) = (hashed(&dear, "Zebra-41"), hashed(&cheap, "Zebra-41"));
        let plain = bcrypt::hash_with_salt("x", 7, [7; 16]).unwrap().to_string();
        let cost = |stored: Option<&str>| cheap.verify_counting(&Secret::from("wrong"), stored);
        assert_eq!(cost(None), (Verdict::NO, 1 << 5));
        cheap.stored_costs_go_to(Some(8));
        for stored in [Some(&*stored), Some(&*own), Some(&*plain), None, Some("unreadable")] {
            assert_eq!(cost(stored), (Verdict::NO, 1 << 8), "{stored:?}");
        }
        // The dear ones were renewed, and one came that nobody told of.
        cheap.stored_costs_go_to(None);
        assert_eq!(cost(None), (Verdict::NO, 1 << 5));
        assert_eq!(cost(Some(&stored)), (Verdict::NO, 1 << 8));
        assert_eq!(cost(None), (Verdict::NO, 1 << 8));
        // Whatever stands in the database, nobody computes for minutes.
        cheap.stored_costs_go_to(Some(31));
        assert_eq!(cheap.dearest.load(Relaxed), MOST_COST);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn composed_and_decomposed_verify_alike(password in "[a-zéñüÅḗকखढ़가]{1,40}") {
            let scheme = scheme("pepper", "", 4);
            let (composed, decomposed): (String, String) = (password.nfc().collect(), password.nfd().collect());
            prop_assert_eq!(verified(&scheme, &decomposed, &hashed(&scheme, &composed)), YES);
            prop_assert_eq!(verified(&scheme, &composed, &hashed(&scheme, &decomposed)), YES);
        }
    }
}
