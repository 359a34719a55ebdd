//! Passwords: what one must be, how strong it is, and how it is kept.
//!
//! Everything here sees a password as its Unicode normal form C, so that the same word counts, compares and hashes alike
//! however a keyboard composed it. Judging a password takes a millisecond and hashing one much longer: neither belongs
//! on a thread that serves requests.

mod about;
mod common;
mod guess;
mod policy;
mod scheme;
mod strength;

use unicode_normalization::UnicodeNormalization;

pub use self::about::About;
pub use self::policy::{Fault, LONGEST, Policy, check};
pub use self::scheme::{Config, HashError, Scheme, Verdict};
pub use self::strength::{Strength, strength};
use super::secret::Secret;

/// The most bytes that [`LONGEST`] code points can take: four each in form C, three times that when decomposed.
const LONGEST_BYTES: usize = LONGEST * 4 * 3;

/// The password in normal form C. Returns `None` for one that is too long to be worth normalizing.
fn normalized(password: &Secret) -> Option<String> {
    let text = password.expose();
    (text.len() <= LONGEST_BYTES).then(|| text.nfc().collect())
}
