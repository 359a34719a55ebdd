//! How many guesses a password takes, by `zxcvbn`, at a bounded cost.

use std::collections::HashMap;

use zxcvbn::Entropy;

/// How many characters are looked at. The work grows with the square of them, and what comes after only adds strength.
const LOOKED_AT: usize = 64;
/// How many different symbols may be read as letters. Every way to read them is tried, so the work multiplies with each.
const READ_AS_LETTERS: usize = 3;

/// The estimate for `text`, by somebody who also knows `known` words.
pub(super) fn estimate(text: &str, known: &[&str]) -> Entropy {
    zxcvbn::zxcvbn(&bounded(text), known)
}

/// The text as the estimator can bear it. Whoever writes many different symbols could else keep it busy for seconds: those
/// beyond the first few are written as characters that stand for nothing, which weigh the same as any other.
fn bounded(text: &str) -> String {
    let mut seen = HashMap::new();
    let mut write = |character: char| {
        if "@({[<!|$+%".contains(character) {
            let next = seen.len();
            let place = *seen.entry(character).or_insert(next);
            // Far apart, so that they are no sequence either.
            let stand_in = u32::try_from(place).ok().and_then(|place| char::from_u32(0x4E00 + place * 0x101));
            return if place < READ_AS_LETTERS { character } else { stand_in.unwrap_or(character) };
        }
        // One character must stay one in lower case: the estimator counts on it.
        let mut lower = character.to_lowercase();
        if lower.len() == 1 { character } else { lower.next().unwrap_or(character) }
    };
    text.chars().take(LOOKED_AT).map(&mut write).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adversary_gains_no_time() {
        assert_eq!(bounded("a@b@(c"), "a@b@(c");
        assert_eq!(bounded("@(!$@"), "@(!\u{5103}@");
        assert_eq!(bounded("İx"), "ix");
        assert_eq!(bounded(&"x".repeat(200)).len(), LOOKED_AT);
    }

    #[test]
    fn symbols_weigh_what_they_did() {
        let guesses = |text| estimate(text, &[]).guesses();
        assert_eq!(guesses("@({[<!|$"), zxcvbn::zxcvbn("@({[<!|$", &[]).guesses());
        assert!(guesses("kT4@8({[<3691!|70$5+7%2") > 1 << 40);
    }
}
