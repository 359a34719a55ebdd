//! How many guesses a password takes, by `zxcvbn`, at a bounded cost.
//!
//! The estimator looks every part of a text up in its dictionaries, once for each way to read digits and symbols as letters:
//! its work grows with the square of the length, and multiplies with each character that may be read in several ways. So a
//! text is looked at in pieces, each so short that its work stays within [`MOST_WORK`], and no more than two of them.

use zxcvbn::Entropy;

/// The most work for one piece, in parts of a text that are looked up. An ordinary password of 15 characters takes 480.
const MOST_WORK: usize = 500;
/// How many pieces are looked at. What comes after only adds strength.
const PIECES: usize = 2;
/// So many different characters after the pieces are strength enough by themselves.
const DIFFERENT: usize = 8;
/// The letters that a character may stand for, by the estimator's table; those of `ilt` share characters.
const READINGS: [(char, &str); 12] = [
    ('i', "1!|"),
    ('l', "1|7"),
    ('t', "+7"),
    ('a', "4@"),
    ('b', "8"),
    ('c', "({[<"),
    ('e', "3"),
    ('g', "69"),
    ('o', "0"),
    ('s', "$5"),
    ('x', "%"),
    ('z', "2"),
];
/// How many letters of the table, the first ones, share characters.
const SHARING: usize = 3;

/// A text in pieces that the estimator can bear.
pub(super) struct Pieces {
    pieces: Vec<String>,
    /// Whether what comes after them makes it strong by itself.
    strong_end: bool,
}

impl Pieces {
    pub(super) fn of(text: &str) -> Self {
        let mut rest: Vec<char> = text.chars().map(one_in_lower_case).collect();
        let mut pieces = Vec::new();
        while pieces.is_empty() || (pieces.len() < PIECES && !rest.is_empty()) {
            let after = rest.split_off(bearable(&rest));
            pieces.push(rest.into_iter().collect());
            rest = after;
        }
        rest.sort_unstable();
        rest.dedup();
        Self { pieces, strong_end: rest.len() >= DIFFERENT }
    }

    /// Whether this holds for every piece, and nothing strong comes after them.
    pub(super) fn all(&self, holds: impl Fn(&Entropy) -> bool) -> bool {
        !self.strong_end && self.pieces.iter().all(|piece| holds(&estimate_piece(piece, &[])))
    }

    /// How many guesses it takes, by somebody who also knows `known` words, as far as it matters: no more work is done once
    /// they are `enough`. Answers what was found out of the first piece, too.
    pub(super) fn guesses(&self, known: &[&str], enough: u64) -> (u64, Option<Entropy>) {
        let (mut guesses, mut first) = (1u64, None);
        for piece in &self.pieces {
            let found = estimate_piece(piece, known);
            guesses = guesses.saturating_mul(found.guesses());
            first = first.or(Some(found));
            if guesses >= enough {
                break;
            }
        }
        (guesses, first)
    }
}

/// How many guesses `text` takes, no further than to `enough`.
pub(super) fn guesses(text: &str, enough: u64) -> u64 {
    Pieces::of(text).guesses(&[], enough).0
}

fn estimate_piece(piece: &str, known: &[&str]) -> Entropy {
    #[cfg(test)]
    tests::count(piece);
    zxcvbn::zxcvbn(piece, known)
}

/// One character must stay one in lower case: the estimator counts on it.
fn one_in_lower_case(character: char) -> char {
    let mut lower = character.to_lowercase();
    if lower.len() == 1 { character } else { lower.next().unwrap_or(character) }
}

/// How many characters of `text` may be looked at in one piece: at least one, of any text.
fn bearable(text: &[char]) -> usize {
    let fits = |length: &usize| text.get(..*length).is_some_and(|piece| work(piece) <= MOST_WORK);
    (2..=text.len()).take_while(fits).last().unwrap_or(1).min(text.len())
}

/// What the estimator does for a piece: every part of it is looked up, forwards, backwards, and for each reading.
fn work(piece: &[char]) -> usize {
    (2 + readings(piece)) * piece.len() * (piece.len() + 1) / 2
}

/// In how many ways the characters of a piece are read as letters, at most. Each letter is one of its characters at a time;
/// a character that was read as another letter before is read both ways. The estimator goes through letters in any order.
fn readings(piece: &[char]) -> usize {
    let present = |characters: &str| characters.chars().filter(|one| piece.contains(one)).collect::<Vec<_>>();
    let letters = READINGS.map(|(_, characters)| present(characters));
    if letters.iter().all(Vec::is_empty) {
        return 0;
    }
    let (sharing, alone) = letters.split_at(SHARING);
    let ways_alone: usize = alone.iter().map(|characters| characters.len().max(1)).product();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let ways = |order: [usize; SHARING]| {
        let mut seen = Vec::new();
        let mut ways = 1;
        for characters in order.into_iter().filter_map(|at| sharing.get(at)).filter(|found| !found.is_empty()) {
            ways *= characters.iter().map(|one| if seen.contains(one) { 2_usize } else { 1 }).sum::<usize>();
            seen.extend(characters);
        }
        ways
    };
    ways_alone * orders.into_iter().map(ways).max().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::password::{About, Policy, strength};
    use crate::domain::secret::Secret;

    thread_local!(static DONE: Cell<usize> = const { Cell::new(0) });

    /// Counts the work for a piece.
    pub(super) fn count(piece: &str) {
        let piece: Vec<char> = piece.chars().collect();
        DONE.set(DONE.get() + work(&piece));
    }

    /// What everything that is asked of one password costs.
    fn cost(password: &str) -> usize {
        DONE.set(0);
        let about = About { full_name: Some("Asha Rao".to_owned()), ..About::default() };
        let _ = strength(Policy::Composition, &Secret::from(password), &about);
        DONE.get()
    }

    fn readings_of(text: &str) -> usize {
        readings(&text.chars().collect::<Vec<_>>())
    }

    #[test]
    fn readings_are_counted_as_the_estimator_makes_them() {
        for (text, ways) in [("zebra", 0), ("z0", 1), ("a1", 2), ("p@$$w0rd", 1), ("4@", 2), ("({[<", 4), ("+7", 4)] {
            assert_eq!(readings_of(text), ways, "{text}");
        }
        assert!(readings_of("|$@48369170521") > 100);
    }

    #[test]
    fn what_the_estimator_can_bear_is_looked_at_whole() {
        for text in ["", "Zebra-Quartz-41", "zebra quartz lantern", "P@$$w0rd!"] {
            assert_eq!(Pieces::of(text).pieces.concat(), text);
        }
        let long = Pieces::of(&"x".repeat(10_000));
        assert_eq!((long.pieces.len(), long.strong_end), (PIECES, false));
        assert!(Pieces::of(&format!("{}Zebra-Quartz", "1".repeat(60))).strong_end);
        assert_eq!(Pieces::of("İx").pieces, ["ix"]);
    }

    #[test]
    fn symbols_weigh_what_they_did() {
        assert_eq!(guesses("@({[<", u64::MAX), zxcvbn::zxcvbn("@({[<", &[]).guesses());
        assert!(guesses("kT4@8({[<3691!|70$5+7%2", u64::MAX) > 10_000_000_000);
    }

    #[test]
    fn the_dearest_known_passwords_cost_about_three_ordinary_ones() {
        let ordinary = cost("Zebra-Quartz-41");
        assert!(ordinary > 1_000, "{ordinary}");
        for text in ["|$@48369170521".repeat(5), "civiclens".repeat(14), "1".repeat(128), "aB1!".repeat(32)] {
            assert!(cost(&text) <= ordinary * 31 / 10, "{text}: {} of {ordinary}", cost(&text));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Any text over what is read as letters, with letters between, and any of it over and over.
        #[test]
        fn no_password_costs_more_than_about_three_ordinary_ones(
            start in "[a-z0-9@!|$+%({<\\[ ]{0,24}",
            again in "[aist0-9@!|$+%({<\\[]{1,12}",
            times in 1usize..24,
            own in prop::sample::select(vec!["", "civiclens", "Asha Rao", "asharao"]),
        ) {
            let ordinary = cost("Zebra-Quartz-41");
            let text = format!("{start}{}{own}", again.repeat(times));
            prop_assert!(cost(&text) <= ordinary * 31 / 10, "{} of {ordinary}", cost(&text));
        }
    }
}
