//! Phone numbers: accepted in every common spelling, kept and compared as E.164.
//!
//! Indian mobile numbers are known by the numbering plan (ten digits, the first of them 6 to 9), and by nothing else: which
//! blocks were given to an operator changes faster than any table of them, and a new block must not be turned away. All other
//! numbers are left to a library, whose tables cost 25 MiB when the first of them is asked for.
//!
//! Spellings are taken as they are copied from contacts, messages and web pages: white space, dashes, dots, brackets and
//! format characters of any script are ignored, and digits of the scripts of India, of Arabic and of full width are digits.

use std::fmt;

use phonenumber::metadata::DATABASE;
use phonenumber::{Type, country};

use super::entered::{self, Sign};
use super::phone_india;

/// The region assumed for a number without a country code.
const DEFAULT_REGION: country::Id = country::IN;

/// The calling code of that region, which is nobody else's.
const INDIA: &str = "+91";

/// Why a text is not an acceptable phone number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhoneError {
    /// Not a possible number.
    #[error("this is not a valid phone number")]
    Invalid,
    /// A number of a country that is not served.
    #[error("numbers of this country are not accepted")]
    CountryNotAllowed,
    /// A landline, toll-free, premium-rate or other number that receives no SMS.
    #[error("this number cannot receive SMS; give a mobile number")]
    NoSms,
}

impl PhoneError {
    /// The stable code of the field error.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Invalid => "phone_invalid",
            Self::CountryNotAllowed => "country_not_allowed",
            Self::NoSms => "phone_cannot_receive_sms",
        }
    }
}

/// A valid phone number. Prints as E.164; `Debug` keeps the middle digits to itself.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(String);

impl Phone {
    /// Reads a number with `+91`, `91`, `0` or nothing before it, in any spelling that the module names.
    pub fn parse(text: &str) -> Result<Self, PhoneError> {
        const LONGEST: usize = 64;
        let mut digits = String::new();
        for (number, character) in text.chars().enumerate() {
            match entered::sign(character) {
                _ if number >= LONGEST => return Err(PhoneError::Invalid),
                Sign::Ignored => {}
                Sign::Digit(digit) => digits.push(digit),
                Sign::Other('+' | '\u{ff0b}') if digits.is_empty() => digits.push('+'),
                Sign::Other(_) => return Err(PhoneError::Invalid),
            }
        }
        let international = match digits.strip_prefix("00") {
            Some(rest) => format!("+{rest}"),
            None if digits.len() == 12 && digits.starts_with("91") => format!("+{digits}"),
            None => digits,
        };
        if let Some(national) = indian_mobile(&international) {
            return Ok(Self(format!("{INDIA}{national}")));
        }
        let number = phonenumber::parse(Some(DEFAULT_REGION), international).map_err(|_| PhoneError::Invalid)?;
        if !phonenumber::is_valid(&number) {
            return Err(PhoneError::Invalid);
        }
        Ok(Self(number.format().mode(phonenumber::Mode::E164).to_string()))
    }

    /// Reads a number that is to receive SMS.
    pub fn parse_mobile(text: &str) -> Result<Self, PhoneError> {
        let phone = Self::parse(text)?;
        phone.check_sms().map(|()| phone)
    }

    /// Refuses what receives no SMS: landlines, toll-free and premium-rate numbers and their like. Where a country's plan
    /// does not tell mobile numbers from landlines, all of them pass.
    pub fn check_sms(&self) -> Result<(), PhoneError> {
        if let Some(national) = indian_mobile(&self.0) {
            return if phone_india::is_landline(national) { Err(PhoneError::NoSms) } else { Ok(()) };
        }
        let number = phonenumber::parse(None, &self.0).map_err(|_| PhoneError::Invalid)?;
        match number.number_type(&DATABASE) {
            Type::Mobile | Type::FixedLineOrMobile | Type::PersonalNumber => Ok(()),
            _ => Err(PhoneError::NoSms),
        }
    }

    /// A number that the database has already checked.
    pub fn from_stored(e164: String) -> Self {
        Self(e164)
    }

    /// The number in E.164.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ISO 3166 code of the number's country, where it has one.
    pub fn country(&self) -> Option<String> {
        if self.0.starts_with(INDIA) {
            return Some(DEFAULT_REGION.as_ref().to_owned());
        }
        let number = phonenumber::parse(None, &self.0).ok()?;
        number.country().id().map(|id| id.as_ref().to_owned())
    }

    /// The country code and the first digits of the national number: the block of numbers that SMS pumping is watched by.
    pub fn prefix(&self) -> &str {
        const LENGTH: usize = 6;
        self.0.get(..LENGTH).unwrap_or(&self.0)
    }

    /// The number with its middle hidden, for logs and lists.
    pub fn masked(&self) -> String {
        let (head, tail) = (self.0.get(..3).unwrap_or_default(), self.0.len().saturating_sub(2));
        format!("{head}…{}", self.0.get(tail..).unwrap_or_default())
    }
}

/// The ten digits of an Indian mobile number (National Numbering Plan), if `digits` are one. `+91`, a trunk `0` or nothing may
/// come before them.
fn indian_mobile(digits: &str) -> Option<&str> {
    let national = digits.strip_prefix(INDIA).or_else(|| digits.strip_prefix('0')).unwrap_or(digits);
    (national.len() == 10 && national.starts_with(['6', '7', '8', '9'])).then_some(national)
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_is_one_number() {
        for text in [
            "9876543210",
            "09876543210",
            "+919876543210",
            "919876543210",
            "+91 98765 43210",
            "(+91) 98765-43210",
            "0091 9876543210",
            "98765.43210",
        ] {
            assert_eq!(Phone::parse(text).map(|p| p.to_string()), Ok("+919876543210".to_owned()), "{text}");
        }
        for text in ["9198765432", "09198765432", "+91 91987 65432", "91 9198765432"] {
            assert_eq!(Phone::parse(text).map(|p| p.to_string()), Ok("+919198765432".to_owned()), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in
            ["", "+", "12345", "98765432101234567890", "98765abcde", "+91+9876543210", "+9198765", "9876543210\0"]
        {
            assert_eq!(Phone::parse(text), Err(PhoneError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn copies_from_contacts_and_web_pages_are_accepted() {
        for text in [
            "\u{202a}+91 98765 43210\u{202c}",
            "+91\u{a0}98765\u{2011}43210",
            "\t98765\u{2009}43210\n",
            "\u{feff}0 98765–43210",
            "\u{2068}91 98765 43210\u{2069}",
            "（+９１）９８７６５－４３２１０",
            "98765\u{200b}43210",
            "98765\u{ad}43210",
            "9876.5·43210",
            "[+91] 98765−43210",
            "९८७६५ ४३२१०",
            "+৯১ ৯৮৭৬৫ ৪৩২১০",
            "٩٨٧٦٥ ٤٣٢١٠",
        ] {
            assert_eq!(Phone::parse(text).map(|p| p.to_string()), Ok("+919876543210".to_owned()), "{text:?}");
        }
        for text in ["98765/43210", "98765 43210 x7", "9876543210;", "①②③④⑤⑥⑦⑧⑨⓪", "\u{200b}".repeat(70).as_str()]
        {
            assert_eq!(Phone::parse(text), Err(PhoneError::Invalid), "{text:?}");
        }
    }

    #[test]
    fn what_receives_no_sms_is_told_apart() {
        for text in [
            "022 2266 2222",
            "080 2222 3333",
            "079 2658 1234",
            "0612 222 3333",
            "1800 11 1234",
            "1800 123 4567",
            "1860 123 4567",
            "+44 20 7946 0958",
            "+44 9098 790123",
            "+44 800 111 1111",
        ] {
            assert!(Phone::parse(text).is_ok(), "{text}");
            assert_eq!(Phone::parse_mobile(text), Err(PhoneError::NoSms), "{text}");
        }
        for text in ["98765 43210", "70000 12345", "81234 56789", "60001 23456", "+1 650 253 0000", "+44 7911 123456"] {
            assert!(Phone::parse_mobile(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn other_numbers_are_known_by_their_country() {
        for (text, e164, country) in [
            ("+44 20 7946 0958", "+442079460958", "GB"),
            ("022 2266 2222", "+912222662222", "IN"),
            ("+1 650 253 0000", "+16502530000", "US"),
        ] {
            let phone = Phone::parse(text);
            assert_eq!(phone.as_ref().map(Phone::as_str), Ok(e164), "{text}");
            assert_eq!(phone.ok().and_then(|phone| phone.country()).as_deref(), Some(country), "{text}");
        }
        for text in ["+91 0234567890", "+44 1", "0098765"] {
            assert_eq!(Phone::parse(text), Err(PhoneError::Invalid), "{text}");
        }
    }

    #[test]
    fn country_prefix_and_mask() {
        let phone = Phone::parse("9876543210").unwrap_or(Phone(String::new()));
        assert_eq!(phone.country().as_deref(), Some("IN"));
        assert_eq!(phone.prefix(), "+91987");
        assert_eq!(format!("{phone:?}"), "+91…10");
    }

    proptest! {
        #[test]
        fn an_indian_mobile_number_is_what_the_library_takes_it_for(national in "[6-9][0-9]{9}", way in 0_usize..4) {
            // Written without its calling code, a number that begins with 91 confuses the library.
            prop_assume!(!national.starts_with("91"));
            let text = format!("{}{national}", ["+91", "91", "0", ""][way]);
            let theirs = phonenumber::parse(Some(DEFAULT_REGION), format!("{INDIA}{national}"));
            let theirs = theirs.map(|number| number.format().mode(phonenumber::Mode::E164).to_string());
            prop_assert_eq!(Phone::parse(&text).map(|phone| phone.to_string()).ok(), theirs.ok());
        }

        #[test]
        fn an_indian_landline_is_what_the_library_takes_for_one(national in "[6-9][0-9]{9}") {
            let number = phonenumber::parse(None, format!("{INDIA}{national}")).unwrap();
            prop_assert_eq!(phone_india::is_landline(&national), number.number_type(&DATABASE) == Type::FixedLine);
        }

        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "([0-9+() .-]|\\PC){0,20}") {
            if let Ok(phone) = Phone::parse(&text) {
                prop_assert_eq!(Phone::parse(phone.as_str()), Ok(phone));
            }
        }
    }
}
