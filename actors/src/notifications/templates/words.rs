//! A sentence in every language.

use crate::domain::language::Language;

/// A sentence in every language. A language without one does not compile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub(super) en: &'static str,
    pub(super) hi: &'static str,
    pub(super) bn: &'static str,
    pub(super) te: &'static str,
    pub(super) mr: &'static str,
    pub(super) ta: &'static str,
    pub(super) ur: &'static str,
}

/// Where a sentence takes its number.
const MINUTES: &str = "{minutes}";
const HOURS: &str = "{hours}";

impl Words {
    /// The sentence in `language`.
    pub(super) fn of(&self, language: Language) -> &'static str {
        match language {
            Language::En => self.en,
            Language::Hi => self.hi,
            Language::Bn => self.bn,
            Language::Te => self.te,
            Language::Mr => self.mr,
            Language::Ta => self.ta,
            Language::Ur => self.ur,
        }
    }

    /// The sentence in `language` with a number of minutes in it.
    pub(super) fn with_minutes(&self, language: Language, minutes: i64) -> String {
        self.of(language).replacen(MINUTES, &minutes.to_string(), 1)
    }

    /// The sentence in `language` with a number of hours in it.
    pub(super) fn with_hours(&self, language: Language, hours: i64) -> String {
        self.of(language).replacen(HOURS, &hours.to_string(), 1)
    }
}

pub(super) const TIME: Words = Words {
    en: "Time", hi: "समय", bn: "সময়", te: "సమయం", mr: "वेळ", ta: "நேரம்", ur: "وقت"
};

/// What to do after a change somebody else may have made.
pub(super) const CHANGE_PASSWORD: Words = Words {
    en: "If it was not you, change your password at once.",
    hi: "यदि यह आपने नहीं किया, तो तुरंत अपना पासवर्ड बदलें।",
    bn: "আপনি না করে থাকলে এখনই আপনার পাসওয়ার্ড বদলান।",
    te: "ఇది మీరు చేయకపోతే, వెంటనే మీ పాస్‌వర్డ్ మార్చండి.",
    mr: "हे तुम्ही केले नसेल, तर लगेच तुमचा पासवर्ड बदला.",
    ta: "இதை நீங்கள் செய்யவில்லை என்றால், உடனே உங்கள் கடவுச்சொல்லை மாற்றவும்.",
    ur: "اگر یہ آپ نے نہیں کیا تو فوراً اپنا پاس ورڈ بدلیں۔",
};
