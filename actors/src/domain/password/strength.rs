//! How strong a password is, for a meter beside the field in which it is typed.

use zxcvbn::Entropy;
use zxcvbn::feedback::Suggestion;

use super::super::secret::Secret;
use super::about::About;
use super::guess::Pieces;
use super::normalized;
use super::policy::{Fault, Policy, check};

/// The most that a password scores which is refused because it is easy to guess.
const GUESSABLE: u8 = 1;

/// The most that a password scores for which there is advice.
const ADVISED: u8 = 2;
/// What takes more guesses than this scores the most.
const STRONG: u64 = 10_000_000_005;

/// The score of `zxcvbn` for so many guesses.
const fn score(guesses: u64) -> u8 {
    match guesses {
        0..1_005 => 0,
        1_005..1_000_005 => 1,
        1_000_005..100_000_005 => 2,
        100_000_005..STRONG => 3,
        STRONG.. => 4,
    }
}

/// How strong a password is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strength {
    /// From 0, guessed at once, to 4.
    pub score: u8,
    /// Sentences for the person who chooses it: what is wrong, then what would make it better.
    pub feedback: Vec<String>,
    /// Whether it would be accepted.
    pub acceptable: bool,
}

/// Rates `password` for the account that `about` describes.
pub fn strength(policy: Policy, password: &Secret, about: &About) -> Strength {
    let faults = check(policy, password, about).err().unwrap_or_default();
    let mut feedback: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let acceptable = faults.is_empty();
    let Some(text) = normalized(password) else { return Strength { score: 0, feedback, acceptable } };
    let words = about.words();
    let known: Vec<&str> = words.iter().map(String::as_str).collect();
    let (guesses, estimate) = Pieces::of(&text).guesses(&known, STRONG);
    let score = score(guesses);
    let guessable = faults.iter().any(|fault| matches!(fault, Fault::Blocklisted | Fault::AboutAccount));
    if let Some(found) = estimate.as_ref().and_then(Entropy::feedback).filter(|_| score <= ADVISED) {
        feedback.extend(found.warning().map(|warning| warning.to_string()));
        // "No need for symbols, digits, or uppercase letters" is not for one policy to say.
        let applies = |advice: &&Suggestion| {
            policy == Policy::Length || **advice != Suggestion::NoNeedForSymbolsDigitsOrUppercaseLetters
        };
        feedback.extend(found.suggestions().iter().filter(applies).map(ToString::to_string));
    }
    Strength { score: if guessable { score.min(GUESSABLE) } else { score }, feedback, acceptable }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rated(password: &str) -> Strength {
        let about = About { full_name: Some("Asha Rao".to_owned()), ..About::default() };
        strength(Policy::Composition, &Secret::from(password), &about)
    }

    #[test]
    fn a_strong_password_needs_no_advice() {
        assert_eq!(rated("Zebra-Quartz-41"), Strength { score: 4, feedback: Vec::new(), acceptable: true });
    }

    #[test]
    fn a_weak_one_hears_why_and_what_to_do() {
        let weak = rated("password");
        assert!(!weak.acceptable && weak.score == 0);
        for sentence in ["upper-case letter", "a digit", "too common", "top-10", "Add another word"] {
            assert!(weak.feedback.iter().any(|line| line.contains(sentence)), "{sentence}: {:?}", weak.feedback);
        }
        let decorated = rated("Admin@123");
        assert!(!decorated.acceptable && decorated.score <= 1);
        assert!(rated("AshaRao@2026").score <= 1);
    }

    #[test]
    fn a_strong_one_that_breaks_the_rule_hears_of_the_rule() {
        let strong = rated("zebra quartz lantern");
        assert_eq!((strong.score, strong.acceptable, strong.feedback.len()), (4, false, 2));
        let empty = rated("");
        assert!(!empty.acceptable && empty.feedback.iter().all(|line| !line.starts_with("No need")));
        assert_eq!(rated(&"x".repeat(10_000)).feedback, ["The password may have at most 128 characters."]);
    }
}
