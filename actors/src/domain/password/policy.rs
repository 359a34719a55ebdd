//! What a password must be.

use super::super::code::FieldError;
use super::super::secret::Secret;
use super::about::About;
use super::{common, normalized};

/// The most code points of a password.
pub const LONGEST: usize = 128;
/// The fewest, where other rules help.
const SHORTEST: usize = 8;
/// The fewest where length is the only rule (NIST SP 800-63B-4, 3.1.1.2).
const SHORTEST_ALONE: usize = 15;

/// Which rules a password is held to. Under each it must also not be a common one, nor be made of its own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// 8 to 128 characters, among them an upper-case letter and a digit.
    #[default]
    Composition,
    /// 15 to 128 characters, whatever they are.
    Length,
}

impl Policy {
    const fn shortest(self) -> usize {
        match self {
            Self::Composition => SHORTEST,
            Self::Length => SHORTEST_ALONE,
        }
    }
}

/// What is wrong with a password. Prints as a sentence for the person who chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Too few code points.
    #[error("The password must have at least {least} characters.")]
    TooShort {
        /// The fewest allowed.
        least: usize,
    },
    /// Too many code points.
    #[error("The password may have at most {LONGEST} characters.")]
    TooLong,
    /// No upper-case letter.
    #[error("The password must contain an upper-case letter.")]
    NoUpperCase,
    /// No digit.
    #[error("The password must contain a digit.")]
    NoDigit,
    /// Among the first that an attacker tries.
    #[error("This password is too common: it is among the first that an attacker tries.")]
    Blocklisted,
    /// Little more than the account's own phone, name or e-mail, or the name of the service.
    #[error("The password must not be made of your own phone, name or e-mail, or of the name of this service.")]
    AboutAccount,
}

impl Fault {
    /// The stable code of the field error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "password_too_short",
            Self::TooLong => "password_too_long",
            Self::NoUpperCase => "password_no_upper_case",
            Self::NoDigit => "password_no_digit",
            Self::Blocklisted => "password_blocklisted",
            Self::AboutAccount => "password_about_account",
        }
    }

    /// The fault as one of the request's `field`.
    pub fn of_field(self, field: &str) -> FieldError {
        FieldError { field: field.to_owned(), code: self.code().to_owned(), message: self.to_string() }
    }
}

/// Judges `password`, chosen for the account that `about` describes.
///
/// # Errors
/// Everything that is wrong, at once; a password that is far too long is not looked at any closer.
pub fn check(policy: Policy, password: &Secret, about: &About) -> Result<(), Vec<Fault>> {
    let Some(text) = normalized(password) else { return Err(vec![Fault::TooLong]) };
    let (length, least) = (text.chars().count(), policy.shortest());
    if length > LONGEST {
        return Err(vec![Fault::TooLong]);
    }
    let composed = policy == Policy::Composition;
    let found = [
        (length < least, Fault::TooShort { least }),
        (composed && !text.chars().any(char::is_uppercase), Fault::NoUpperCase),
        (composed && !text.chars().any(char::is_numeric), Fault::NoDigit),
        (common::is_common(&text), Fault::Blocklisted),
        (about.makes_up(&text), Fault::AboutAccount),
    ];
    let faults: Vec<_> = found.into_iter().filter_map(|(is_at_fault, fault)| is_at_fault.then_some(fault)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    use super::*;
    use crate::domain::phone::Phone;

    fn faults(policy: Policy, password: &str, about: &About) -> Vec<&'static str> {
        let found = check(policy, &Secret::from(password), about).err().unwrap_or_default();
        found.into_iter().map(Fault::code).collect()
    }

    fn composition(password: &str) -> Vec<&'static str> {
        faults(Policy::Composition, password, &About::default())
    }

    #[test]
    fn every_fault_is_named_at_once() {
        assert_eq!(composition("Kx7mQw2"), ["password_too_short"]);
        assert_eq!(composition("kxvmqwzr"), ["password_no_upper_case", "password_no_digit"]);
        let all = ["password_too_short", "password_no_upper_case", "password_no_digit", "password_blocklisted"];
        assert_eq!(composition("monkey"), all);
        assert_eq!(composition("Kx7mQw2z"), [""; 0]);
        let fault = Fault::NoDigit.of_field("new_password");
        assert_eq!((fault.field.as_str(), fault.code.as_str()), ("new_password", "password_no_digit"));
        assert!(fault.message.ends_with('.'));
    }

    #[test]
    fn length_is_counted_in_composed_code_points() {
        let long = |count: usize| "Kx7mQw2z".chars().chain("éढ".chars().cycle()).take(count).collect::<String>();
        for decomposed in [false, true] {
            let written = |count| if decomposed { long(count).nfd().collect() } else { long(count) };
            assert_eq!(composition(&written(64)), [""; 0]);
            assert_eq!(composition(&written(128)), [""; 0]);
            assert_eq!(composition(&written(129)), ["password_too_long"]);
        }
        assert_eq!(composition(&"Ḗ1".repeat(5_000)), ["password_too_long"]);
        // Seven characters, though more code points as typed.
        assert_eq!(composition(&"Ḗ7xéñǖç".nfd().collect::<String>()), ["password_too_short"]);
    }

    #[test]
    fn other_scripts_have_digits_and_capitals_too() {
        assert_eq!(composition("Ñandú कखगघ ७३"), [""; 0]);
        assert_eq!(composition("बारिश में छाता"), ["password_no_upper_case", "password_no_digit"]);
    }

    #[test]
    fn the_length_policy_asks_for_nothing_else() {
        let length = |password: &str| faults(Policy::Length, password, &About::default());
        assert_eq!(length("kite lantern owl"), [""; 0]);
        assert_eq!(length("wqkzjxvhnpytrc"), ["password_too_short"]);
        assert_eq!(length("zzkqvyhmwpjxtrfb"), [""; 0]);
        for common in ["passwordpassword", "qwertyuiopasdfghjkl", "123456789012345", "aaaaaaaaaaaaaaaaaaaaaaaa"] {
            assert_eq!(length(common), ["password_blocklisted"], "{common}");
        }
    }

    #[test]
    fn the_account_itself_makes_no_password() {
        let about = About {
            phone: Phone::parse("98765 43210").ok(),
            full_name: Some("Asha Rao".to_owned()),
            email: Some("asha.mango@example.org".to_owned()),
        };
        let judged = |password: &str| faults(Policy::Composition, password, &about);
        assert_eq!(judged("Kite-Asha-Lantern-7"), [""; 0]);
        assert_eq!(judged("Asharao2026"), ["password_about_account"]);
        // All that is wrong, about the account as well.
        assert_eq!(
            judged("asha"),
            [
                "password_too_short",
                "password_no_upper_case",
                "password_no_digit",
                "password_blocklisted",
                "password_about_account"
            ]
        );
        assert_eq!(composition("Civiclens2026"), ["password_about_account"]);
    }

    #[test]
    fn long_random_passwords_pass() {
        for password in ["uT4-vQ9!rZ2#kM7@", "correct Horse 7 battery staple", "Ganesha-42-Lotus", "X7k2q9Lm"] {
            assert_eq!(composition(password), [""; 0], "{password}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn what_is_accepted_meets_the_rule(password in "[ -~éÉñ१२कख]{0,40}") {
            if check(Policy::Composition, &Secret::from(password.as_str()), &About::default()).is_ok() {
                let text: String = password.nfc().collect();
                prop_assert!((8..=128).contains(&text.chars().count()));
                prop_assert!(text.chars().any(char::is_uppercase) && text.chars().any(char::is_numeric));
            }
        }

        #[test]
        fn random_passphrases_pass(words in prop::collection::vec("[a-z]{6,9}", 3..6)) {
            let phrase = format!("{} X7", words.join(" "));
            prop_assert_eq!(composition(&phrase), [""; 0]);
            prop_assert_eq!(faults(Policy::Length, &phrase, &About::default()), [""; 0]);
        }

        #[test]
        fn any_text_can_be_judged(password in any::<String>(), name in any::<String>(), email in any::<String>()) {
            let about = About { phone: None, full_name: Some(name), email: Some(email) };
            let judged = check(Policy::Length, &Secret::from(password.as_str()), &about);
            prop_assert_eq!(judged, check(Policy::Length, &Secret::from(password.nfd().collect::<String>()), &about));
        }
    }
}
