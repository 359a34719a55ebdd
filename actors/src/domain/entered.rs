//! Numbers and codes as people enter or copy them: what in such a text is a digit, and what means nothing.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// What a character of an entered number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A decimal digit, in ASCII.
    Digit(char),
    /// White space, a dash, a dot, a bracket or an invisible format character.
    Ignored,
    /// Anything else.
    Other(char),
}

/// The zeros of the decimal digits that are read besides those of ASCII: of Arabic, of the scripts of India, and full width.
const ZEROS: [u32; 14] =
    [0x0660, 0x06f0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66, 0x1c50, 0xabf0, 0xff10];

/// Dots that are no dashes by their Unicode category, and the minus sign.
const DOTS_AND_MINUS: [char; 9] = ['.', '·', '․', '‧', '•', '。', '．', '﹒', '−'];

/// Reads one character.
pub fn sign(character: char) -> Sign {
    if character.is_ascii_digit() {
        return Sign::Digit(character);
    }
    let value = u32::from(character);
    let digit = ZEROS.iter().find_map(|zero| value.checked_sub(*zero).filter(|digit| *digit < 10));
    if let Some(digit) = digit.and_then(|digit| char::from_digit(digit, 10)) {
        return Sign::Digit(digit);
    }
    let ignored = character.is_whitespace()
        || DOTS_AND_MINUS.contains(&character)
        || matches!(
            CodePointMapData::<GeneralCategory>::new().get(character),
            GeneralCategory::Format
                | GeneralCategory::DashPunctuation
                | GeneralCategory::OpenPunctuation
                | GeneralCategory::ClosePunctuation
        );
    if ignored { Sign::Ignored } else { Sign::Other(character) }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn each_digit_is_a_decimal_digit_of_its_value() {
        for zero in ZEROS {
            for value in 0..10 {
                let character = char::from_u32(zero + value).unwrap();
                assert_eq!(
                    CodePointMapData::<GeneralCategory>::new().get(character),
                    GeneralCategory::DecimalNumber,
                    "{character}"
                );
                assert_eq!(sign(character), Sign::Digit(char::from_digit(value, 10).unwrap()));
            }
        }
        for digit in "０１２３４５６７８９".chars() {
            assert_eq!(Some(sign(digit)), digit.nfkc().next().map(Sign::Digit));
        }
    }

    #[test]
    fn letters_and_signs_are_neither_digits_nor_ignored() {
        for character in "aé+/,;:#*x٪①½\0\u{7f}".chars() {
            assert_eq!(sign(character), Sign::Other(character), "{character:?}");
        }
    }
}
