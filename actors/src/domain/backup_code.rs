//! Backup codes: what a person writes down for the day their second factor is lost. Each is good once.

use std::fmt;

use super::entered::{self, Sign};
use super::entropy::{self, Entropy, Exhausted};
use super::keys::HashKey;
use super::principal::UserId;
use super::secret::REDACTED;

/// How many codes a set has.
pub const COUNT: usize = 10;
/// The characters of a code, five bits each: far too many codes to guess one within the limits on attempts.
const LENGTH: usize = 10;
/// Where a code is divided when it is shown.
const HALF: usize = LENGTH / 2;
/// Crockford's base32: no letter that is read as a digit, and no U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A text that is not a backup code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a backup code is ten letters and digits")]
pub struct NotABackupCode;

/// A backup code. Its `Debug` is `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct BackupCode(String);

impl BackupCode {
    /// Draws a set of [`COUNT`] codes.
    pub fn generate_set(entropy: &dyn Entropy) -> Result<Vec<Self>, Exhausted> {
        (0..COUNT).map(|_| Self::generate(entropy)).collect()
    }

    fn generate(entropy: &dyn Entropy) -> Result<Self, Exhausted> {
        let drawn: [u8; LENGTH] = entropy::bytes(entropy)?;
        // 32 divides 256, so every character is as likely as any other.
        let symbols = drawn.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)));
        Ok(Self(symbols.map(|symbol| char::from(*symbol)).collect()))
    }

    /// Reads a code as a person enters or copies it: in any case, an O for 0, an I or L for 1, digits of other scripts, and what
    /// means nothing anywhere (see [`entered`]).
    pub fn parse(text: &str) -> Result<Self, NotABackupCode> {
        let mut code = String::with_capacity(LENGTH);
        for character in text.chars() {
            let meant = match entered::sign(character) {
                Sign::Ignored => continue,
                Sign::Digit(digit) => Some(digit),
                Sign::Other(other) => symbol(other),
            };
            code.push(meant.filter(|_| code.len() < LENGTH).ok_or(NotABackupCode)?);
        }
        if code.len() == LENGTH { Ok(Self(code)) } else { Err(NotABackupCode) }
    }

    /// The code as it is shown once: `XXXXX-XXXXX`. Each call is a place to review.
    pub fn expose(&self) -> String {
        let (first, second) = self.0.split_at_checked(HALF).unwrap_or_default();
        format!("{first}-{second}")
    }

    /// What is stored of the code: nobody finds it without the key, and it fits no other user.
    pub fn hash(&self, key: &HashKey, user: UserId) -> [u8; 32] {
        key.hash("backup_code", &[&user.to_string(), &self.0])
    }

    /// Under what the code may be stored: by the present key, or the one before.
    pub fn hashes(&self, key: &HashKey, user: UserId) -> Vec<[u8; 32]> {
        key.hashes("backup_code", &[&user.to_string(), &self.0])
    }
}

impl fmt::Debug for BackupCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

/// The symbol that is meant. Returns `None` when none is.
fn symbol(entered: char) -> Option<char> {
    let meant = match entered.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    ALPHABET.iter().map(|symbol| char::from(*symbol)).find(|symbol| *symbol == meant)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::entropy::SystemEntropy;
    use crate::domain::secret::Secret;

    fn key() -> HashKey {
        HashKey::new(&Secret::from("k".repeat(32)))
    }

    #[test]
    fn a_set_is_ten_different_codes() {
        let codes = BackupCode::generate_set(&SystemEntropy::default()).unwrap();
        let shown: HashSet<_> = codes.iter().map(BackupCode::expose).collect();
        assert_eq!(shown.len(), COUNT);
        for code in &codes {
            let text = code.expose();
            assert_eq!((text.len(), text.find('-')), (11, Some(5)));
            assert_eq!(BackupCode::parse(&text).as_ref(), Ok(code));
        }
    }

    #[test]
    fn every_symbol_is_drawn() {
        let sets = (0..40).flat_map(|_| BackupCode::generate_set(&SystemEntropy::default()).unwrap());
        let seen: HashSet<char> = sets.flat_map(|code| code.0.chars().collect::<Vec<_>>()).collect();
        assert_eq!(seen.len(), 32);
    }

    #[test]
    fn reading_forgives_what_people_do() {
        let code = BackupCode("01A1B0XYZ1".to_owned());
        for text in [
            "01A1B-0XYZ1",
            "oiaLb oxyzl",
            " 01a1b\u{2013}0xyzI\n",
            "0-1-A-1-B-0-X-Y-Z-1",
            "OLAIB0XYZ1",
            "०1A1B-0XYZ१",
            "\u{202a}01A1B\u{2011}0XYZ1\u{202c}",
        ] {
            assert_eq!(BackupCode::parse(text).as_ref(), Ok(&code), "{text}");
        }
        for text in ["", "01A1B-0XYZ", "01A1B-0XYZ12", "01A1B-0XYZU", "01A1B_0XYZ1", "123456"] {
            assert_eq!(BackupCode::parse(text), Err(NotABackupCode), "{text}");
        }
    }

    #[test]
    fn a_hash_is_of_one_user_and_one_code() {
        let codes = BackupCode::generate_set(&SystemEntropy::default()).unwrap();
        assert_eq!(codes[0].hash(&key(), 7.into()), codes[0].clone().hash(&key(), 7.into()));
        assert_ne!(codes[0].hash(&key(), 7.into()), codes[0].hash(&key(), 8.into()));
        assert_ne!(codes[0].hash(&key(), 7.into()), codes[1].hash(&key(), 7.into()));
    }

    #[test]
    fn a_code_is_not_shown() {
        assert_eq!(format!("{:?}", BackupCode("0123456789".into())), "[redacted]");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,30}") {
            if let Ok(code) = BackupCode::parse(&text) {
                prop_assert_eq!(BackupCode::parse(&code.expose()), Ok(code));
            }
        }
    }
}
