//! The versions that programs print of themselves.

use std::fmt;

/// A version, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second number; 0 where there is none, as in a beta.
    pub minor: u32,
}

impl Version {
    /// The first version in `text`: a word that starts with a digit, after `v`, `V` or `v=` perhaps.
    ///
    /// Returns `None` when no word does.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| Self::of_word(word.trim_start_matches(['v', 'V', '='])))
    }

    fn of_word(word: &str) -> Option<Self> {
        let number = |text: &str| -> Option<u32> {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            text.get(..digits)?.parse().ok()
        };
        let mut parts = word.split('.');
        Some(Self { major: number(parts.next()?)?, minor: parts.next().and_then(number).unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_the_servers_print() {
        let read = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(read("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)").as_deref(), Some("15.18"));
        assert_eq!(read("postgres (PostgreSQL) 18beta2").as_deref(), Some("18.0"));
        assert_eq!(read("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64").as_deref(), Some("7.0"));
        assert_eq!(read("nats-server: v2.15.1\n").as_deref(), Some("2.15"));
        assert_eq!(read("sh: not found"), None);
    }

    #[test]
    fn ten_is_newer_than_nine() {
        let of = |text| Version::parse(text).unwrap();
        assert!(of("v2.9.10") < of("v2.11.0"));
        assert!(of("9.6.1") < of("15.0"));
    }
}
