//! The password is another one now.

use super::Filling;
use super::letter::{self, Letter};
use super::words::Words;
use crate::domain::language::Language;

const SUBJECT: Words = Words {
    en: "Your CivicLens password was changed",
    hi: "आपका CivicLens पासवर्ड बदला गया",
    bn: "আপনার CivicLens পাসওয়ার্ড বদলানো হয়েছে",
    te: "మీ CivicLens పాస్‌వర్డ్ మార్చబడింది",
    mr: "तुमचा CivicLens पासवर्ड बदलला गेला",
    ta: "உங்கள் CivicLens கடவுச்சொல் மாற்றப்பட்டது",
    ur: "آپ کا CivicLens پاس ورڈ بدل دیا گیا",
};

const WHAT: Words = Words {
    en: "Your CivicLens password was changed.",
    hi: "आपका CivicLens पासवर्ड बदला गया है।",
    bn: "আপনার CivicLens পাসওয়ার্ড বদলানো হয়েছে।",
    te: "మీ CivicLens పాస్‌వర్డ్ మార్చబడింది.",
    mr: "तुमचा CivicLens पासवर्ड बदलला गेला आहे.",
    ta: "உங்கள் CivicLens கடவுச்சொல் மாற்றப்பட்டது.",
    ur: "آپ کا CivicLens پاس ورڈ بدل دیا گیا ہے۔",
};

const ADVICE: Words = Words {
    en: "If it was not you, set a new one at once with \"Forgot password\".",
    hi: "यदि यह आपने नहीं किया, तो \"पासवर्ड भूल गए\" से तुरंत नया पासवर्ड बनाएं।",
    bn: "আপনি না করে থাকলে \"পাসওয়ার্ড ভুলে গেছি\" দিয়ে এখনই নতুন পাসওয়ার্ড দিন।",
    te: "ఇది మీరు చేయకపోతే, \"పాస్‌వర్డ్ మర్చిపోయాను\" ద్వారా వెంటనే కొత్తది పెట్టుకోండి.",
    mr: "हे तुम्ही केले नसेल, तर \"पासवर्ड विसरलो\" वापरून लगेच नवीन पासवर्ड ठेवा.",
    ta: "இதை நீங்கள் செய்யவில்லை என்றால், \"கடவுச்சொல் மறந்துவிட்டது\" மூலம் உடனே புதியதை அமைக்கவும்.",
    ur: "اگر یہ آپ نے نہیں کیا تو \"پاس ورڈ بھول گئے\" کے ذریعے فوراً نیا پاس ورڈ بنائیں۔",
};

pub(super) fn sms(language: Language) -> String {
    format!("{} {}", WHAT.of(language), ADVICE.of(language))
}

pub(super) fn email(filling: &Filling<'_>) -> Letter {
    letter::notice(filling, SUBJECT, WHAT.of(filling.language), ADVICE)
}
