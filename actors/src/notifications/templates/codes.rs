//! SMS with a one-time code: what it is for, how long it lives, and the lines that programs read.

use super::words::Words;
use super::{BadFilling, Filling};

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Signing in.
    Login,
    /// Showing whose phone this is.
    VerifyPhone,
    /// A new password.
    Reset,
    /// The second step.
    SecondFactor,
}

/// The programs that may read a code.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readers<'a> {
    /// The web site whose pages may (WebOTP), if any.
    pub webotp_domain: Option<&'a str>,
    /// The hash of the Android app that may (SMS Retriever), if any.
    pub android_app_hash: Option<&'a str>,
}

const LOGIN: Words = Words {
    en: "is your CivicLens code.",
    hi: "आपका CivicLens कोड है।",
    bn: "আপনার CivicLens কোড।",
    te: "మీ CivicLens కోడ్.",
    mr: "हा तुमचा CivicLens कोड आहे.",
    ta: "உங்கள் CivicLens குறியீடு.",
    ur: "آپ کا CivicLens کوڈ ہے۔",
};

const VERIFY_PHONE: Words = Words {
    en: "is your CivicLens code to confirm this phone number.",
    hi: "इस फ़ोन नंबर की पुष्टि के लिए आपका CivicLens कोड है।",
    bn: "এই ফোন নম্বর যাচাই করার জন্য আপনার CivicLens কোড।",
    te: "ఈ ఫోన్ నంబరును నిర్ధారించడానికి మీ CivicLens కోడ్.",
    mr: "हा या फोन नंबरची खात्री करण्यासाठी तुमचा CivicLens कोड आहे.",
    ta: "இந்தத் தொலைபேசி எண்ணை உறுதிப்படுத்த உங்கள் CivicLens குறியீடு.",
    ur: "اس فون نمبر کی تصدیق کے لیے آپ کا CivicLens کوڈ ہے۔",
};

const RESET: Words = Words {
    en: "is your CivicLens code to set a new password.",
    hi: "नया पासवर्ड बनाने के लिए आपका CivicLens कोड है।",
    bn: "নতুন পাসওয়ার্ড দেওয়ার জন্য আপনার CivicLens কোড।",
    te: "కొత్త పాస్‌వర్డ్ పెట్టుకోవడానికి మీ CivicLens కోడ్.",
    mr: "हा नवीन पासवर्ड ठेवण्यासाठी तुमचा CivicLens कोड आहे.",
    ta: "புதிய கடவுச்சொல்லை அமைக்க உங்கள் CivicLens குறியீடு.",
    ur: "نیا پاس ورڈ بنانے کے لیے آپ کا CivicLens کوڈ ہے۔",
};

const SECOND_FACTOR: Words = Words {
    en: "is your CivicLens code for the second step of signing in.",
    hi: "साइन-इन के दूसरे चरण के लिए आपका CivicLens कोड है।",
    bn: "সাইন-ইনের দ্বিতীয় ধাপের জন্য আপনার CivicLens কোড।",
    te: "సైన్-ఇన్ రెండో దశకు మీ CivicLens కోడ్.",
    mr: "हा साइन-इनच्या दुसऱ्या टप्प्यासाठी तुमचा CivicLens कोड आहे.",
    ta: "உள்நுழைவின் இரண்டாம் படிக்கான உங்கள் CivicLens குறியீடு.",
    ur: "سائن اِن کے دوسرے مرحلے کے لیے آپ کا CivicLens کوڈ ہے۔",
};

const LIFE: Words = Words {
    en: "It is valid for {minutes} minutes. Never share it.",
    hi: "यह {minutes} मिनट तक मान्य है। इसे किसी को न बताएं।",
    bn: "এটি {minutes} মিনিট বৈধ। কাউকে জানাবেন না।",
    te: "ఇది {minutes} నిమిషాలు చెల్లుతుంది. ఎవరికీ చెప్పకండి.",
    mr: "तो {minutes} मिनिटे वैध आहे. कोणालाही सांगू नका.",
    ta: "இது {minutes} நிமிடங்கள் செல்லும். யாரிடமும் பகிர வேண்டாம்.",
    ur: "یہ {minutes} منٹ تک درست ہے۔ کسی کو نہ بتائیں۔",
};

/// The same in so few characters that one SMS carries them beside the lines that programs read: Android shows a text of more
/// than 140 bytes to no app.
const SHORT_LOGIN: Words = Words {
    en: "is your CivicLens code.",
    hi: "CivicLens कोड।",
    bn: "CivicLens কোড।",
    te: "CivicLens కోడ్.",
    mr: "CivicLens कोड.",
    ta: "CivicLens குறியீடு.",
    ur: "CivicLens کوڈ۔",
};

const SHORT_VERIFY_PHONE: Words = Words {
    en: "is your CivicLens code to confirm this phone.",
    hi: "CivicLens फ़ोन कोड।",
    bn: "CivicLens ফোন কোড।",
    te: "CivicLens ఫోన్ కోడ్.",
    mr: "CivicLens फोन कोड.",
    ta: "CivicLens எண் OTP.",
    ur: "CivicLens فون کوڈ۔",
};

const SHORT_RESET: Words = Words {
    en: "is your CivicLens code to set a new password.",
    hi: "CivicLens रीसेट कोड।",
    bn: "CivicLens রিসেট কোড।",
    te: "CivicLens రీసెట్ OTP",
    mr: "CivicLens रीसेट कोड.",
    ta: "CivicLens கடவுச்சொல்",
    ur: "CivicLens ری سیٹ کوڈ",
};

const SHORT_SECOND_FACTOR: Words = Words {
    en: "is your CivicLens code for the second step.",
    hi: "CivicLens चरण 2 कोड।",
    bn: "CivicLens ধাপ 2 কোড।",
    te: "CivicLens దశ 2 కోడ్.",
    mr: "CivicLens दुसरा कोड.",
    ta: "CivicLens படி 2 OTP.",
    ur: "CivicLens دوسرا کوڈ۔",
};

/// The characters of the default alphabet of GSM 03.38, each of seven bits.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿\
                   abcdefghijklmnopqrstuvwxyzäöñüà";
/// Those that take an escape beside their own seven bits.
const GSM_EXTENDED: &str = "^{}\\[~]|€";

/// Whether one SMS carries a text: 140 bytes, seven bits a character where all are of the default alphabet, else UTF-16.
pub(super) fn is_one_sms(text: &str) -> bool {
    let septets = |character: char| match character {
        _ if GSM.contains(character) => Some(1),
        _ if GSM_EXTENDED.contains(character) => Some(2),
        _ => None,
    };
    match text.chars().map(septets).sum::<Option<usize>>() {
        Some(septets) => septets <= 160,
        None => text.encode_utf16().count() <= 70,
    }
}

/// The text. The Android hash stands on the last line but one and `@domain #code` on the last, where phones and browsers
/// look for them.
pub(super) fn sms(purpose: Purpose, filling: &Filling<'_>, readers: Readers<'_>) -> Result<String, BadFilling> {
    let (words, short) = match purpose {
        Purpose::Login => (LOGIN, SHORT_LOGIN),
        Purpose::VerifyPhone => (VERIFY_PHONE, SHORT_VERIFY_PHONE),
        Purpose::Reset => (RESET, SHORT_RESET),
        Purpose::SecondFactor => (SECOND_FACTOR, SHORT_SECOND_FACTOR),
    };
    let (code, language) = (filling.secret("code")?, filling.language);
    let told = format!("{code} {} {}", words.of(language), LIFE.with_minutes(language, filling.life()?));
    let text = with_lines(told, code, readers, "\n\n");
    if readers.android_app_hash.is_none() || is_one_sms(&text) {
        return Ok(text);
    }
    Ok(with_lines(format!("{code} {}", short.of(language)), code, readers, "\n"))
}

/// The text with the lines that programs read, the last of them after `gap`.
fn with_lines(mut text: String, code: &str, readers: Readers<'_>, gap: &str) -> String {
    if let Some(hash) = readers.android_app_hash {
        text.push('\n');
        text.push_str(hash);
    }
    if let Some(domain) = readers.webotp_domain {
        text.push_str(gap);
        text.push('@');
        text.push_str(domain);
        text.push_str(" #");
        text.push_str(code);
    }
    text
}
