//! The languages in which every message exists.

use serde::{Deserialize, Serialize};

/// A language of messages, by its ISO 639-1 code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the codes are the documentation")]
pub enum Language {
    #[default]
    En,
    Hi,
    Bn,
    Te,
    Mr,
    Ta,
    Ur,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 7] = [Self::En, Self::Hi, Self::Bn, Self::Te, Self::Mr, Self::Ta, Self::Ur];

    /// The ISO 639-1 code.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Hi => "hi",
            Self::Bn => "bn",
            Self::Te => "te",
            Self::Mr => "mr",
            Self::Ta => "ta",
            Self::Ur => "ur",
        }
    }

    /// The language with this code. Returns `None` for one that has no messages.
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.as_str() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Some(language));
        }
    }
}
