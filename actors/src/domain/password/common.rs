//! Whether a password is a common one: on the lists of `zxcvbn`, which hold 30 000 leaked passwords, or close to it.

use zxcvbn::Entropy;
use zxcvbn::matching::Match;
use zxcvbn::matching::patterns::MatchPattern;

use super::guess::Pieces;

/// As easily guessed as the last on the list of leaked passwords.
const LIKE_THE_LIST: u64 = 30_000;
/// Where a listed password is followed by nothing but digits or another one, the list of what to try is longer.
const LISTED_AND_MORE: u64 = 100_000;
/// The fewest letters and digits that are looked at without the symbols between them.
const LEAST_WITHOUT_SYMBOLS: usize = 6;

/// Whether `text` is common. Case does not matter, and neither do symbols put into it: `Admin@123` is `admin123`.
pub(super) fn is_common(text: &str) -> bool {
    let lower = text.to_lowercase();
    let without_symbols: String = lower.chars().filter(|character| character.is_alphanumeric()).collect();
    looks_common(&lower)
        || (without_symbols.len() < lower.len()
            && without_symbols.chars().count() >= LEAST_WITHOUT_SYMBOLS
            && looks_common(&without_symbols))
}

fn looks_common(text: &str) -> bool {
    Pieces::of(text).all(piece_looks_common)
}

fn piece_looks_common(estimate: &Entropy) -> bool {
    let guesses = estimate.guesses();
    match estimate.sequence() {
        [] => false,
        _ if guesses <= LIKE_THE_LIST => true,
        [only] => is_listed(only),
        [word, rest @ ..] => {
            guesses < LISTED_AND_MORE && is_listed(word) && rest.iter().all(|part| is_digits(part) || is_listed(part))
        }
    }
}

/// Whether this is a leaked password, also backwards or with symbols for letters.
fn is_listed(found: &Match) -> bool {
    // The type of the dictionary's name is not public, its printed form is.
    matches!(&found.pattern, MatchPattern::Dictionary(word) if format!("{:?}", word.dictionary_name) == "Passwords")
}

fn is_digits(found: &Match) -> bool {
    found.token.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_meets_the_composition_rule_may_still_be_common() {
        let common = [
            "Password1",
            "Qwerty123",
            "Welcome1",
            "Passw0rd",
            "Admin123",
            "Iloveyou1",
            "P@ssw0rd",
            "Aa123456",
            "Abcd1234",
            "Letmein1",
            "Monkey123",
            "Dragon123",
            "Football1",
            "Baseball1",
            "Sunshine1",
            "Princess1",
            "Superman1",
            "Trustno1",
            "Michael1",
            "Jordan23",
            "Qwerty12345",
            "1Qaz2Wsx",
            "Zaq12wsx",
            "Asdf1234",
            "Abc12345",
            "A1234567",
            "Changeme1",
            "Secret123",
            "Master123",
            "Charlie1",
            "Liverpool1",
            "Chelsea1",
            "Computer1",
            "Whatever1",
            "Starwars1",
            "Test1234",
            "Test12345",
            "Qazwsx123",
            "Abcdefg1",
            "Aaaaaaa1",
            "MyPassw0rd",
            "Summer2025",
            "Winter2026",
            "Drowssap1",
        ];
        for password in common {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn symbols_and_case_hide_nothing() {
        let common = [
            "Admin@123",
            "Password@123",
            "Password123!",
            "India@123",
            "Abcd@1234",
            "Test@123",
            "Welcome@123",
            "pASSWORD1",
            "Summer2026!",
            "P@$$w0rd",
            "1qaz@WSX",
            "Pass-word-1",
            "PASSWORD 1",
            "Dragon#99",
        ];
        for password in common {
            assert!(is_common(password), "{password}");
        }
    }

    #[test]
    fn a_word_among_others_is_not_common() {
        let fine = [
            "",
            "Correct7Horse",
            "CorrectHorse9Battery",
            "Tr0ub4dor&3",
            "Zebra-Quartz-41",
            "Mango-Tree-99",
            "Secret-Pass-1",
            "Str0ngP@ssw0rd!",
            "Strong-Password-1",
            "SecurePass123",
            "X7k2q9Lm",
            "aB1!x@y#Z",
            "A-Strong-Passw0rd",
        ];
        for password in fine {
            assert!(!is_common(password), "{password}");
        }
    }
}
