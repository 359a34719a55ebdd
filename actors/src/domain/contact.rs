//! Names and e-mail addresses as people enter them. What is accepted is what every later use can do with it: a name that can
//! be read, and an address that the mailer can write to.
//!
//! Addresses follow RFC 5321 and 6531 without quoted local parts and address literals; their domain is IDNA 2008 (UTS 46) with
//! STD3, kept as A-labels; what may stand beside what in them is UTS 39, "Highly Restrictive".

use icu_properties::props::{
    BidiControl, CanonicalCombiningClass, DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, Script,
    WhiteSpace,
};
use icu_properties::{CodePointMapData, CodePointSetData};
use lettre::message::Mailbox;
use lettre::{Address, Message};
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton;
use unicode_security::{RestrictionLevel, RestrictionLevelDetection};

use super::code::FieldError;

/// The longest name, in characters.
const LONGEST_NAME: usize = 200;
/// The longest employee id, in characters.
const LONGEST_EMPLOYEE_ID: usize = 64;
/// The longest address, in bytes (RFC 5321, 4.5.3.1.3, less the brackets).
const LONGEST_EMAIL: usize = 254;
/// The longest text that is looked at, in bytes: several can be one character.
const LONGEST_TEXT: usize = 4_096;

const ZWNJ: char = '\u{200C}';
const ZWJ: char = '\u{200D}';

/// Reads a name: on one line, with a letter or a digit in it. Spaces around it and marks that nobody sees are dropped, but for
/// the joiners that Indian scripts and Urdu are written with; what is left is in normal form C.
pub fn full_name(field: &str, text: &str) -> Result<String, FieldError> {
    let refused = || fault(field, "name_invalid", "A name has 1 to 200 characters on one line, a letter among them.");
    visible_line(text, LONGEST_NAME).ok_or_else(refused)
}

/// Reads the id of an employee by the same rules.
pub fn employee_id(field: &str, text: &str) -> Result<String, FieldError> {
    let refused = || fault(field, "employee_id_invalid", "An employee id has 1 to 64 characters on one line.");
    visible_line(text, LONGEST_EMPLOYEE_ID).ok_or_else(refused)
}

/// Reads an e-mail address, spaces around it dropped. Its letter case is kept; it is compared without.
pub fn email(field: &str, text: &str) -> Result<String, FieldError> {
    let refused = || fault(field, "email_invalid", "This is not an e-mail address.");
    address(text).map(|address| address.to_string()).ok_or_else(refused)
}

/// What all spellings of one address have in common: they differ in the case of ASCII letters alone. The database compares in
/// the same way, whatever its locale.
pub fn email_key(address: &str) -> String {
    address.to_ascii_lowercase()
}

/// Reads an e-mail address that the mailer can write to.
pub(crate) fn address(text: &str) -> Option<Address> {
    let text = text.trim();
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let (local, domain) = text.rsplit_once('@')?;
    let local: String = local.nfc().collect();
    // A quoted local part is legal and in nobody's use; programs on the way to it disagree on what it says.
    let plain = !local.contains(['"', '\\', '(', ')', '@']) && is_unmistakable(&local);
    let domain = domain_name(domain).filter(|_| plain)?;
    let address = Address::new(local, domain).ok()?;
    let fits = address.to_string().len() <= LONGEST_EMAIL;
    (fits && can_be_written_to(&address)).then_some(address)
}

/// The domain as the DNS knows it, if mail can go to a domain of this name.
fn domain_name(text: &str) -> Option<String> {
    let ascii = idna::domain_to_ascii_strict(text).ok()?;
    let (unicode, valid) = idna::domain_to_unicode(&ascii);
    valid.ok()?;
    // Mail within one machine is nobody's address here; what ends in a number is an address of another kind.
    let (_, last) = ascii.rsplit_once('.')?;
    let is_name = !last.bytes().all(|byte| byte.is_ascii_digit());
    let fits = is_name && unicode.split('.').all(is_unmistakable);
    // A name that is ASCII already stays as it was written: its letter case says nothing.
    fits.then(|| if ascii.eq_ignore_ascii_case(text) { text.to_owned() } else { ascii })
}

/// Whether no character of `text` passes for another one: all are of one script, or of scripts that are written together,
/// none is invisible, and they do not all look like ASCII.
fn is_unmistakable(text: &str) -> bool {
    if text.is_ascii() {
        return true;
    }
    let letters: String = text.chars().filter(|character| !character.is_ascii_punctuation()).collect();
    letters.as_str().check_restriction_level(RestrictionLevel::HighlyRestrictive)
        && !letters.chars().any(is_invisible)
        && !skeleton(&letters).all(|character| character.is_ascii())
}

/// Whether the mailer makes a message to this address that goes to it, and to it alone.
fn can_be_written_to(address: &Address) -> bool {
    let mailbox = Mailbox::new(None, address.clone());
    let message = Message::builder().from(mailbox.clone()).to(mailbox).body(String::new());
    message.is_ok_and(|message| message.envelope().to() == std::slice::from_ref(address))
}

/// The text without what nobody sees, if it is then one line of 1 to `longest` characters, a letter or digit among them.
fn visible_line(text: &str, longest: usize) -> Option<String> {
    if text.len() > LONGEST_TEXT {
        return None;
    }
    let characters: Vec<char> = text.nfc().collect();
    let mut line = String::with_capacity(text.len());
    for (place, &character) in characters.iter().enumerate() {
        if breaks_a_line(character) {
            return None;
        }
        let before = place.checked_sub(1).and_then(|place| characters.get(place)).copied();
        let after = characters.get(place + 1).copied();
        if CodePointSetData::new::<WhiteSpace>().contains(character) {
            line.push(' ');
        } else if !is_invisible(character) || joins(character, before, after) {
            line.push(character);
        }
    }
    // What was dropped may have stood between what is written as one character.
    let words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let line: String = words.join(" ").nfc().collect();
    let fits = (1..=longest).contains(&line.chars().count()) && line.chars().any(is_letter_or_digit);
    fits.then_some(line)
}

fn category(character: char) -> GeneralCategory {
    CodePointMapData::<GeneralCategory>::new().get(character)
}

/// Whether a character ends a line, or is none that two programs agree on.
fn breaks_a_line(character: char) -> bool {
    use GeneralCategory as Category;
    matches!(
        category(character),
        Category::Control
            | Category::LineSeparator
            | Category::ParagraphSeparator
            | Category::PrivateUse
            | Category::Unassigned
    )
}

/// Whether nobody sees a character: it turns the direction, joins, or is ignored where it is not supported.
pub(super) fn is_invisible(character: char) -> bool {
    category(character) == GeneralCategory::Format
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        || CodePointSetData::new::<BidiControl>().contains(character)
}

/// Whether a joiner stands where a script needs it: beside a virama, or between Arabic letters, as in Urdu.
fn joins(character: char, before: Option<char>, after: Option<char>) -> bool {
    let is_virama = |beside: Option<char>| {
        let class = beside.map(|beside| CodePointMapData::<CanonicalCombiningClass>::new().get(beside));
        class == Some(CanonicalCombiningClass::Virama)
    };
    let is_arabic = |beside: Option<char>| {
        beside.is_some_and(|beside| CodePointMapData::<Script>::new().get(beside) == Script::Arabic)
    };
    let is_joiner = matches!(character, ZWJ | ZWNJ);
    is_joiner && (is_virama(before) || is_virama(after) || (is_arabic(before) && is_arabic(after)))
}

/// Whether a character is a letter or a digit of any script, and one that is seen.
fn is_letter_or_digit(character: char) -> bool {
    let category = category(character);
    let letter_or_digit = [GeneralCategoryGroup::Letter, GeneralCategoryGroup::Number];
    !is_invisible(character) && letter_or_digit.iter().any(|group| group.contains(category))
}

/// Whether a character is a letter, a digit, or a mark on one.
pub(super) fn is_letter_digit_or_mark(character: char) -> bool {
    is_letter_or_digit(character)
        || (GeneralCategoryGroup::Mark.contains(category(character)) && !is_invisible(character))
}

fn fault(field: &str, code: &str, message: &str) -> FieldError {
    FieldError { field: field.to_owned(), code: code.to_owned(), message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Option<String> {
        full_name("n", text).ok()
    }

    fn email(text: &str) -> Option<String> {
        super::email("e", text).ok()
    }

    #[test]
    fn a_name_is_one_line() {
        assert_eq!(name("  आशा Rao ").as_deref(), Some("आशा Rao"));
        assert_eq!(name("O\u{2019}Brien-D'Souza").as_deref(), Some("O\u{2019}Brien-D'Souza"));
        let long = "x".repeat(201);
        for text in ["", "   ", "a\nb", "a\u{7}", "a\u{2028}b", "a\u{2029}b", "a\u{85}b", "a\u{E000}", &long] {
            assert_eq!(name(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_name_can_be_seen() {
        let blanks = ["\u{200B}", "\u{3164}", "\u{2800}", "\u{115F}", "\u{FFA0}", "\u{AD}", "\u{FEFF}", "\u{202E}"];
        for blank in blanks {
            assert_eq!(name(blank), None, "{blank:?}");
            assert_eq!(name(&format!(" {blank}\u{2800}{blank} ")), None, "{blank:?}");
        }
        for text in ["-", "\u{301}", ".", "\u{A0}", "\u{34F}"] {
            assert_eq!(name(text), None, "{text:?}");
        }
    }

    #[test]
    fn marks_that_nobody_sees_are_dropped() {
        assert_eq!(name("Asha\u{202E}oaR").as_deref(), Some("AshaoaR"));
        assert_eq!(name("\u{200B}A\u{200D}s\u{2066}h\u{2069}a\u{FEFF}").as_deref(), Some("Asha"));
        assert_eq!(name("Asha\u{A0}\u{2003}Rao").as_deref(), Some("Asha Rao"));
        assert_eq!(name("Ren\u{65}\u{200B}\u{301}e").as_deref(), Some("Ren\u{E9}e"), "one spelling for one name");
    }

    #[test]
    fn scripts_keep_the_joiners_that_they_need() {
        for text in [
            "क\u{94D}\u{200D}ष",                    // a half form in Devanagari
            "र\u{200D}\u{94D}या",                   // the joiner before the virama
            "র\u{200D}\u{9CD}যাব",                   // ra and ya in Bengali
            "రాజ\u{C4D}\u{200C}కుమార\u{C4D}",         // no ligature in Telugu
            "\u{646}\u{627}\u{200C}\u{6C1}\u{6CC}", // between Urdu letters
        ] {
            assert_eq!(name(text).as_deref(), Some(text), "{text:?}");
        }
        assert_eq!(name("ab\u{200C}c").as_deref(), Some("abc"));
    }

    #[test]
    fn an_employee_id_is_read_alike() {
        assert_eq!(employee_id("e", " PWD-\u{200B}77 ").ok().as_deref(), Some("PWD-77"));
        for text in ["", "\u{2800}", "a\nb", &"x".repeat(65)] {
            assert!(employee_id("e", text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_is_one_address() {
        assert_eq!(email(" Asha@Example.org ").as_deref(), Some("Asha@Example.org"));
        assert_eq!(email("a.b+c_d'e@sub.example.co.in").as_deref(), Some("a.b+c_d'e@sub.example.co.in"));
        for text in [
            "",
            "a",
            "a@b",
            "@b.c",
            "a@b.c\r\nBcc: x@y.z",
            "a@b.c, d@e.f",
            "a b@c.d",
            "a@b@c.d",
            ".a@b.c",
            "a.@b.c",
            "a..b@c.d",
            "A <a@b.c>",
            &format!("{}@b.c", "x".repeat(65)),
            &format!("a@{}.org", "x".repeat(260)),
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_not_accepted() {
        for text in [
            "\"a,b\"@example.org",
            "\"a b\"@example.org",
            "\"ab\"@example.org",
            "a(b)@example.org",
            "u@[192.0.2.1]",
            "u@[IPv6:2001:db8::1]",
            "u@192.0.2.1",
            "u@a.example/x",
            "u@a_b.example",
            "u@-a.example",
            "u@a-.example",
            "u@a..example",
            "u@.example",
            "u@example.org.",
            "u@exa mple.org",
            "u@example.org#x",
            "u@example.org:25",
            &format!("u@{}.org", "x".repeat(64)),
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn invisible_marks_and_twins_are_refused() {
        for text in [
            "\u{200B}asha@example.org",
            "asha\u{200B}@example.org",
            "as\u{AD}ha@example.org",
            "asha@exam\u{202E}ple.org",
            "asha\u{FEFF}@example.org",
            // Cyrillic letters, beside Latin ones and among their own.
            "\u{430}sha@example.org",
            "\u{430}\u{441}\u{435}@example.org",
            "asha@ex\u{430}mple.org",
            "asha@\u{430}\u{441}\u{435}.org",
            "asha@xn--80ak6aa92e.com",
            // Letters of another width, and of mathematics.
            "\u{FF41}sha@example.org",
            "\u{1D41A}sha@example.org",
        ] {
            assert_eq!(email(text), None, "{text:?}");
        }
    }

    #[test]
    fn domains_are_sent_as_a_labels_and_local_parts_as_they_are() {
        assert_eq!(email("आशा@डाटा.भारत").as_deref(), Some("आशा@xn--c2bd1gb.xn--h2brj9c"));
        assert_eq!(email("asha@B\u{FC}cher.example").as_deref(), Some("asha@xn--bcher-kva.example"));
        assert_eq!(email("asha@xn--bcher-kva.example").as_deref(), Some("asha@xn--bcher-kva.example"));
    }

    proptest! {
        #[test]
        fn what_is_accepted_is_accepted_again_and_can_be_sent(
            local in "[\\PC\u{200B}-\u{200D}]{0,12}",
            domain in "[a-zß-öа-я.\u{200b}-]{0,12}(\\.[a-z]{1,4})?",
        ) {
            if let Some(accepted) = email(&format!("{local}@{domain}")) {
                prop_assert_eq!(email(&accepted), Some(accepted.clone()));
                let domain = accepted.rsplit_once('@').map(|(_, domain)| domain.to_owned()).unwrap_or_default();
                prop_assert!(domain.is_ascii() && domain.contains('.'));
                prop_assert!(accepted.parse::<Mailbox>().is_ok());
            }
        }

        #[test]
        fn a_name_that_is_accepted_is_its_own_reading(text in "[\\PC\u{200B}-\u{200F}\u{94D}\u{301}\u{93C}]{0,20}") {
            if let Some(accepted) = name(&text) {
                prop_assert_eq!(name(&accepted), Some(accepted));
            }
        }
    }
}
