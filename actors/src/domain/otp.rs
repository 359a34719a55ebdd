//! One-time codes: six digits from a CSPRNG, uniform over all of them.

use std::fmt;

use super::entered::{self, Sign};
use super::entropy::{self, Entropy, Exhausted};

/// The number of digits of a code.
const DIGITS: usize = 6;
/// The number of codes there are.
const CODES: u32 = 1_000_000;

/// What a code is good for. A code for one purpose is worthless for any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To sign in.
    Login,
    /// To prove the phone of an account that is being made with a password.
    VerifyPhone,
    /// To reset a password.
    PasswordReset,
    /// As the second step of signing in, or to set that up.
    SecondFactor,
}

impl Purpose {
    /// Its name in keys and hashes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::VerifyPhone => "verify_phone",
            Self::PasswordReset => "reset",
            Self::SecondFactor => "second_factor",
        }
    }

    /// The template of its message.
    pub const fn template(self) -> &'static str {
        match self {
            Self::Login => "login_code",
            Self::VerifyPhone => "verify_phone_code",
            Self::PasswordReset => "reset_code",
            Self::SecondFactor => "second_factor_code",
        }
    }

    /// Whether a spent code is still worth something: its session, or its change of password, is known by the code's id, so that it
    /// is done once and can be answered again.
    pub const fn may_be_answered_again(self) -> bool {
        match self {
            Self::Login | Self::VerifyPhone | Self::PasswordReset => true,
            Self::SecondFactor => false,
        }
    }

    /// Whether strangers can have it sent to anybody: only then does it tell of SMS pumping if it is not entered.
    pub const fn is_open_to_strangers(self) -> bool {
        matches!(self, Self::Login | Self::VerifyPhone)
    }

    /// The name of the budget it draws on. What strangers can ask for never uses up what an owner needs afterwards.
    pub const fn limit(self) -> &'static str {
        match self {
            Self::Login | Self::VerifyPhone => "otp",
            Self::PasswordReset => "password_reset",
            Self::SecondFactor => "otp_second_factor",
        }
    }
}

/// A text that is not six digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code is six digits")]
pub struct NotACode;

/// A six-digit code. Its `Debug` is `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct OtpCode(String);

impl OtpCode {
    /// Draws a code, each of the million with the same probability.
    pub fn generate(entropy: &dyn Entropy) -> Result<Self, Exhausted> {
        // Numbers above the last whole multiple of a million are drawn again: a plain remainder would favour low codes.
        const FAIR: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let drawn = u32::from_le_bytes(entropy::bytes(entropy)?);
            if drawn < FAIR {
                return Ok(Self(format!("{:0DIGITS$}", drawn % CODES)));
            }
        }
    }

    /// Reads a code as a person enters or copies it: what means nothing is ignored, and digits of other scripts are digits, since
    /// keyboards of Indian languages write them (see [`entered`]).
    pub fn parse(text: &str) -> Result<Self, NotACode> {
        let mut digits = String::with_capacity(DIGITS);
        for character in text.chars() {
            match entered::sign(character) {
                Sign::Digit(digit) if digits.len() < DIGITS => digits.push(digit),
                Sign::Ignored => {}
                Sign::Digit(_) | Sign::Other(_) => return Err(NotACode),
            }
        }
        if digits.len() == DIGITS { Ok(Self(digits)) } else { Err(NotACode) }
    }

    /// The digits. Each call is a place to review.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OtpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::secret::REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::entropy::SystemEntropy;

    #[test]
    fn codes_are_six_digits_and_spread_evenly() {
        let entropy = SystemEntropy::default();
        let mut first_digits = [0u32; 10];
        for _ in 0..20_000 {
            let code = OtpCode::generate(&entropy).unwrap_or(OtpCode(String::new()));
            assert_eq!(code.expose().len(), DIGITS);
            if let Some(digit) = code.expose().chars().next().and_then(|c| c.to_digit(10)) {
                first_digits[digit as usize] += 1;
            }
        }
        // Chi-square with 9 degrees of freedom: above 40 has a probability of about 1e-5.
        let chi: f64 = first_digits.iter().map(|n| (f64::from(*n) - 2000.0).powi(2) / 2000.0).sum();
        assert!(chi < 40.0, "{first_digits:?}");
    }

    #[test]
    fn only_six_digits_are_a_code() {
        for text in [
            " 012 345 ",
            "012345\n",
            "\t012-345\r\n",
            "\u{202a}012345\u{202c}",
            "012\u{2011}345",
            "012\u{a0}345",
            "\u{feff}012\u{200b}345",
            "०१२३४५",
            "০১২৩৪৫",
            "०12३45",
            "０１２３４５",
        ] {
            assert_eq!(OtpCode::parse(text).map(|c| c.0), Ok("012345".to_owned()), "{text:?}");
        }
        for text in ["", "12345", "1234567", "12345a", "-12345", "12345①", "123456\0", "½23456", "x123456", "१२३४५"]
        {
            assert_eq!(OtpCode::parse(text), Err(NotACode), "{text}");
        }
    }

    #[test]
    fn a_code_is_not_shown() {
        assert_eq!(format!("{:?}", OtpCode("123456".into())), "[redacted]");
    }
}
