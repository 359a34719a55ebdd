//! What passes for a secret in production: at least 256 random bits, in hexadecimal or base64.

use std::collections::HashSet;

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The least bytes of a secret: 256 bits.
pub(super) const BYTES: usize = 32;
/// The least different bytes among those of a secret, and the least different steps from one to the next. 32 random bytes
/// have fewer than this once in 10^9.
const DIFFERENT: usize = 20;
/// The largest share, in percent, of neighbours that are both lower case or both upper case in base64 that is no text.
/// Random base64 has 17, words have more than 60. One random secret in 10 000 is taken for a text.
const SAME_CASE_PERCENT: usize = 50;
/// The largest share, in percent, of dashes and underscores. Random base64 has 3.
const SEPARATORS_PERCENT: usize = 20;
/// Words that stand in examples, and in no random text of some forty characters.
const EXAMPLES: &[&str] =
    &["change", "default", "development", "example", "insecure", "password", "secret", "token", "your-"];

/// Decodes hexadecimal or base64, of either alphabet, padded or not. Returns `None` for any other text.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return hex::decode(text).ok();
    }
    let decode = |alphabet: &Alphabet| {
        let config = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        GeneralPurpose::new(alphabet, config).decode(text).ok()
    };
    decode(&STANDARD).or_else(|| decode(&URL_SAFE))
}

/// Whether two secrets are one, however each is written.
pub(super) fn are_equal(one: &str, other: &str) -> bool {
    one == other || decoded(one).zip(decoded(other)).is_some_and(|(one, other)| one == other)
}

/// What is wrong with `text` as a secret of production. `None` when nothing is.
pub(super) fn weakness(text: &str) -> Option<&'static str> {
    let Some(bytes) = decoded(text) else {
        return Some("must be random bytes in hexadecimal or base64");
    };
    if bytes.len() < BYTES {
        return Some("must be at least 32 bytes (256 bits) once decoded");
    }
    (!is_random(&bytes) || is_text(text)).then_some("is not random: it looks like a text, a pattern or an example")
}

/// Whether `bytes` may be random: neither a few bytes again and again, nor a series.
pub(super) fn is_random(bytes: &[u8]) -> bool {
    let different = bytes.iter().collect::<HashSet<_>>().len();
    let steps = bytes.iter().zip(bytes.iter().skip(1)).map(|(one, next)| next.wrapping_sub(*one));
    different >= DIFFERENT && steps.collect::<HashSet<_>>().len() >= DIFFERENT - 2
}

/// Whether base64 is what somebody wrote rather than drew.
fn is_text(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if EXAMPLES.iter().any(|word| lower.contains(word)) {
        return true;
    }
    if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return false;
    }
    let pairs = || text.bytes().zip(text.bytes().skip(1));
    let share = |count: usize, whole: usize| count * 100 / whole.max(1);
    let both = |is: fn(&u8) -> bool| share(pairs().filter(|(one, next)| is(one) && is(next)).count(), pairs().count());
    let separators = text.bytes().filter(|byte| b"-_".contains(byte)).count();
    both(u8::is_ascii_lowercase) > SAME_CASE_PERCENT
        || both(u8::is_ascii_uppercase) > SAME_CASE_PERCENT
        || share(separators, text.len()) > SEPARATORS_PERCENT
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use civiclens_actors::domain::entropy::{SystemEntropy, bytes};

    use super::*;

    #[test]
    fn random_bytes_in_any_spelling_are_accepted() {
        let entropy = SystemEntropy::default();
        let mut taken_for_text = 0;
        for _ in 0..2_000 {
            let random = bytes::<32>(&entropy).unwrap();
            let hex = hex::encode(random);
            assert_eq!((weakness(&hex), weakness(&hex.to_uppercase())), (None, None), "{hex}");
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                let text = engine.encode(random);
                assert_eq!(decoded(&text).as_deref(), Some(&random[..]), "{text}");
                taken_for_text += usize::from(weakness(&text).is_some());
            }
        }
        assert!(taken_for_text < 40, "{taken_for_text} of 8000");
    }

    #[test]
    fn sentences_patterns_and_short_secrets_are_refused() {
        let short = hex::encode(bytes::<16>(&SystemEntropy::default()).unwrap());
        let short_base64 = URL_SAFE_NO_PAD.encode(bytes::<31>(&SystemEntropy::default()).unwrap());
        let counting: Vec<u8> = (0..64).collect();
        for weak in [
            "",
            &short,
            // 192 bits in hexadecimal, which would pass for 288 in base64.
            &short.repeat(2)[..48],
            &short_base64,
            &short.repeat(4),
            &"00".repeat(32),
            &"deadbeef".repeat(8),
            &hex::encode(&counting),
            &STANDARD.encode(&counting),
            &"a".repeat(64),
            "this is a sentence that somebody took for a secret of the service",
            "correct-horse-battery-staple-correct-horse-battery-staple",
            "CorrectHorseBatteryStapleCorrectHorseBatteryStaple",
            "Go-To-The-Big-Red-Bus-And-Sit-In-It-For-One-Day",
            "WE-HOLD-THESE-TRUTHS-TO-BE-SELF-EVIDENT-THAT-ALL",
            "token-secret-of-the-tests-0123456789abcdefghijkl",
            "MyT0kenSecretK3yF0rTh3S3rv1ceThatN0body2026Gu3sses",
            "01234567890123456789012345678901234567890123456789",
        ] {
            assert!(weakness(weak).is_some(), "{weak}");
        }
    }
}
