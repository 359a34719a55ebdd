//! How often an authenticator may fail in a row, however slowly: NIST SP 800-63B-4, 3.2.2.
//!
//! Locks slow a guesser down; this ends the guessing. It counts for each account and authenticator, over all devices and
//! addresses, until the authenticator succeeds. At [`MOST`] it is off until it is set anew by another way.

use std::collections::BTreeMap;

/// So many failures in a row turn an authenticator off.
pub const MOST: u32 = 100;

/// What somebody proves who they are with, where it stays the same and so can be guessed at for ever. A code that signs in by
/// SMS is another one each time, dies of five wrong guesses, and is no authenticator in this sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authenticator {
    /// The password.
    Password,
    /// The authenticator app.
    Totp,
    /// Codes by SMS as second factor.
    Sms,
    /// The backup codes.
    BackupCode,
}

impl Authenticator {
    /// Its name, in the database and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::Sms => "sms",
            Self::BackupCode => "backup_code",
        }
    }

    /// The one that an attempt of this method was made with.
    pub fn of_method(method: &str) -> Option<Self> {
        [Self::Password, Self::Totp, Self::Sms, Self::BackupCode].into_iter().find(|one| one.as_str() == method)
    }

    /// Its name, as one of a list.
    pub const fn itself(self) -> &'static [&'static str] {
        match self {
            Self::Password => &["password"],
            Self::Totp => &["totp"],
            Self::Sms => &["sms"],
            Self::BackupCode => &["backup_code"],
        }
    }

    /// Those that its success sets right again: itself, and after a backup code the factor that it stands in for.
    pub const fn sets_right(self) -> &'static [&'static str] {
        match self {
            Self::BackupCode => &["backup_code", "totp", "sms"],
            _ => self.itself(),
        }
    }
}

/// How often each authenticator of an account failed since it last succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures(BTreeMap<String, u32>);

impl Failures {
    /// Reads what is stored. What cannot be read counts as nothing.
    pub fn read(json: &str) -> Self {
        Self(serde_json::from_str(json).unwrap_or_default())
    }

    /// Whether the authenticator is off.
    pub fn is_off(&self, authenticator: Authenticator) -> bool {
        self.0.get(authenticator.as_str()).is_some_and(|failures| *failures >= MOST)
    }

    /// Whether its success has something to set right.
    pub fn remembers(&self, authenticator: Authenticator) -> bool {
        authenticator.sets_right().iter().any(|name| self.0.contains_key(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_failures_turn_an_authenticator_off_and_no_other() {
        let failures = Failures::read(r#"{"password": 100, "totp": 99}"#);
        assert!(failures.is_off(Authenticator::Password) && !failures.is_off(Authenticator::Totp));
        assert!(!failures.is_off(Authenticator::Sms) && !failures.remembers(Authenticator::Sms));
        assert!(failures.remembers(Authenticator::BackupCode), "it sets the factor right");
        assert_eq!(Failures::read("{}"), Failures::default());
        assert!(!Failures::read("nonsense").is_off(Authenticator::Password));
    }

    #[test]
    fn only_what_stays_the_same_is_counted() {
        assert_eq!(Authenticator::of_method("backup_code"), Some(Authenticator::BackupCode));
        for method in ["otp", "password_reset", "second_factor", ""] {
            assert_eq!(Authenticator::of_method(method), None);
        }
    }
}
