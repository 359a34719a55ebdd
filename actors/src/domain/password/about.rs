//! What an attacker knows of the account that a password is for.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::super::phone::Phone;
use super::guess::guesses;

/// What everybody knows here.
const CONTEXT: &[&str] = &["civiclens"];
/// The fewest characters of a name or an e-mail that count as a word of its own.
const WORD: usize = 4;
/// The fewest digits of the phone that count as a part of it.
const DIGITS: usize = 5;
/// With fewer guesses than this, what is left of a password beside such words is nothing.
const NOTHING: u64 = 1_000;
/// With fewer guesses than this, what is left without a word in it is a year, a birthday, a few digits.
const LITTLE: u64 = 1_000_000;
/// The letters that may make a word.
const LETTERS: usize = 4;

/// What an attacker knows of the account that a password is for. `Debug` shows nothing of it.
#[derive(Clone, Default)]
pub struct About {
    /// The phone.
    pub phone: Option<Phone>,
    /// The full name.
    pub full_name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

impl fmt::Debug for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("About").finish_non_exhaustive()
    }
}

impl About {
    /// The words themselves, for an estimate by somebody who knows them.
    pub(super) fn words(&self) -> Vec<String> {
        self.telling().into_iter().map(String::from_iter).filter(|word| !word.is_empty()).collect()
    }

    /// Whether `text` is made of the account: take its own words out, also backwards or with symbols for letters, and little
    /// or nothing is left.
    pub(super) fn makes_up(&self, text: &str) -> bool {
        let text = characters(text);
        let mut covered = vec![false; text.len()];
        for word in self.telling() {
            cover(&text, &word, &mut covered);
            cover(&text, &word.iter().rev().copied().collect::<Vec<_>>(), &mut covered);
        }
        if !covered.contains(&true) {
            return false;
        }
        for word in self.short() {
            cover(&text, &word, &mut covered);
        }
        let left = text.iter().zip(covered).filter(|(character, covered)| !covered && character.is_alphanumeric());
        let left: String = left.map(|(character, _)| *character).collect();
        let letters = left.chars().filter(|character| character.is_alphabetic()).count();
        let guesses = guesses(&left, LITTLE);
        guesses < NOTHING || (letters < LETTERS && guesses < LITTLE)
    }

    /// What gives the account away by itself: the words of the name and of the e-mail's local part, both as a whole, parts of
    /// the phone, the name of the service.
    fn telling(&self) -> Vec<Vec<char>> {
        let email = self.email.as_deref().unwrap_or_default();
        let local = email.split('@').next().unwrap_or_default();
        let name = self.full_name.as_deref().unwrap_or_default();
        let whole = [email, local, name].into_iter().map(characters);
        let pieces = pieces(name).chain(pieces(local));
        let context = CONTEXT.iter().map(|word| word.chars().collect());
        let mut found: Vec<_> = whole.chain(pieces).filter(|word| word.len() >= WORD).chain(context).collect();
        let phone = self.phone.as_ref().map(|phone| characters(phone.as_str())).unwrap_or_default();
        let digits: Vec<_> = phone.into_iter().filter(char::is_ascii_digit).collect();
        found.extend(digits.windows(DIGITS).map(<[char]>::to_vec));
        found
    }

    /// What says nothing alone, but nothing more beside the rest: initials and short names.
    fn short(&self) -> Vec<Vec<char>> {
        let texts = [self.full_name.as_deref(), self.email.as_deref()];
        let found = texts.into_iter().flatten().flat_map(pieces);
        found.filter(|word| (2..WORD).contains(&word.len())).collect()
    }
}

/// The text as it is compared: lower case, without accents, without what separates words.
fn characters(text: &str) -> Vec<char> {
    folded(text).filter(|character| is_of_a_word(*character) || "@$!|+".contains(*character)).collect()
}

fn folded(text: &str) -> impl Iterator<Item = char> {
    let plain = text.nfkd().filter(|character| !('\u{300}'..='\u{36f}').contains(character));
    plain.flat_map(char::to_lowercase)
}

/// The words of a text. A sign that belongs to the letter before it, such as a vowel in Devanagari, does not end one.
fn pieces(text: &str) -> impl Iterator<Item = Vec<char>> {
    let folded: Vec<char> = folded(text).collect();
    let pieces: Vec<_> = folded.split(|character| !is_of_a_word(*character)).map(<[char]>::to_vec).collect();
    pieces.into_iter()
}

fn is_of_a_word(character: char) -> bool {
    character.is_alphanumeric() || is_combining_mark(character)
}

/// Marks every place of `text` where `word` stands.
fn cover(text: &[char], word: &[char], covered: &mut [bool]) {
    if word.is_empty() {
        return;
    }
    for (start, window) in text.windows(word.len()).enumerate() {
        if window.iter().zip(word).all(|(written, meant)| reads_as(*written, *meant)) {
            covered.iter_mut().skip(start).take(word.len()).for_each(|place| *place = true);
        }
    }
}

/// Whether `written` is `meant`, or a usual stand-in for it.
fn reads_as(written: char, meant: char) -> bool {
    written == meant
        || match meant {
            'a' => matches!(written, '4' | '@'),
            'b' => written == '8',
            'e' => written == '3',
            'g' => matches!(written, '6' | '9'),
            'i' => matches!(written, '1' | '!' | '|'),
            'l' => matches!(written, '1' | '|' | '7'),
            'o' => written == '0',
            's' => matches!(written, '5' | '$'),
            't' => matches!(written, '7' | '+'),
            'z' => written == '2',
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asha() -> About {
        About {
            phone: Phone::parse("98765 43210").ok(),
            full_name: Some("Asha Zoë Rao".to_owned()),
            email: Some("a.mangotree@example.org".to_owned()),
        }
    }

    #[test]
    fn own_words_with_trimmings_are_recognised() {
        let made_of_it = [
            "Asha2026",
            "AshaRao2026",
            "asha-rao-1",
            "4sh@R40!!",
            "Rao@Asha#7",
            "AshaZoe99",
            "AshaZOË99",
            "ahsA2026",
            "Asha@12345678",
            "Asha19051987",
            "9876543210Aa",
            "98765-43210-A",
            "A+919876543210",
            "Ab543210",
            "Mangotree7",
            "M4ng0tr33!7",
            "AshaPassword1",
            "a.mangotree@example.org1A",
            "Civiclens2026",
            "C1v1c-L3ns-2026",
            "CIVICLENS#1",
            "2026Snelcivic",
        ];
        for password in made_of_it {
            assert!(asha().makes_up(password), "{password}");
        }
    }

    #[test]
    fn own_words_among_others_are_not_held_against_it() {
        let fine = [
            "Kite-Asha-Lantern-7",
            "Zoe-Rao-Quartz-41",
            "Raosomething12",
            "4815162342Xx",
            "CivicLens-Kite-Owl-7",
            "1234",
        ];
        for password in fine {
            assert!(!asha().makes_up(password), "{password}");
        }
        assert!(!About::default().makes_up("Asha2026"));
    }

    #[test]
    fn names_of_other_scripts_are_words_too() {
        let about = About { full_name: Some("सुनीता शर्मा".to_owned()), ..About::default() };
        assert!(about.makes_up("सुनीता2026A"));
        assert!(about.makes_up("शर्मा-सुनीता-7"));
        assert!(!about.makes_up("बारिश में छाता 7"));
    }

    #[test]
    fn nothing_of_it_is_printed() {
        assert_eq!(format!("{:?}", asha()), "About { .. }");
    }
}
