//! The link that sets the first password of an officer, administrator or auditor.

use url::Url;

use super::letter::{Draft, Letter, Link};
use super::words::Words;
use super::{BadFilling, Filling};

const SUBJECT: Words = Words {
    en: "Your CivicLens account",
    hi: "आपका CivicLens खाता",
    bn: "আপনার CivicLens অ্যাকাউন্ট",
    te: "మీ CivicLens ఖాతా",
    mr: "तुमचे CivicLens खाते",
    ta: "உங்கள் CivicLens கணக்கு",
    ur: "آپ کا CivicLens اکاؤنٹ",
};

const WHAT: Words = Words {
    en: "An administrator has made a CivicLens account for you. Choose your password with this link. It works once, within {hours} hours.",
    hi: "एक प्रशासक ने आपके लिए CivicLens खाता बनाया है। इस लिंक से अपना पासवर्ड बनाएं। यह {hours} घंटे के भीतर एक बार काम करेगा।",
    bn: "একজন প্রশাসক আপনার জন্য CivicLens অ্যাকাউন্ট তৈরি করেছেন। এই লিঙ্ক দিয়ে আপনার পাসওয়ার্ড দিন। এটি {hours} ঘণ্টার মধ্যে একবার কাজ করবে।",
    te: "ఒక నిర్వాహకుడు మీ కోసం CivicLens ఖాతా తెరిచారు. ఈ లింక్‌తో మీ పాస్‌వర్డ్ పెట్టుకోండి. ఇది {hours} గంటల్లోపు ఒక్కసారి పని చేస్తుంది.",
    mr: "एका प्रशासकाने तुमच्यासाठी CivicLens खाते तयार केले आहे. या लिंकवरून तुमचा पासवर्ड ठेवा. ती {hours} तासांत एकदाच चालेल.",
    ta: "ஒரு நிர்வாகி உங்களுக்காக CivicLens கணக்கை உருவாக்கியுள்ளார். இந்த இணைப்பின் மூலம் உங்கள் கடவுச்சொல்லை அமைக்கவும். இது {hours} மணிநேரத்திற்குள் ஒருமுறை வேலை செய்யும்.",
    ur: "ایک منتظم نے آپ کے لیے CivicLens اکاؤنٹ بنایا ہے۔ اس لنک سے اپنا پاس ورڈ بنائیں۔ یہ {hours} گھنٹے کے اندر ایک بار کام کرے گا۔",
};

const LINK: Words = Words {
    en: "Choose your password",
    hi: "अपना पासवर्ड बनाएं",
    bn: "আপনার পাসওয়ার্ড দিন",
    te: "మీ పాస్‌వర్డ్ పెట్టుకోండి",
    mr: "तुमचा पासवर्ड ठेवा",
    ta: "உங்கள் கடவுச்சொல்லை அமைக்கவும்",
    ur: "اپنا پاس ورڈ بنائیں",
};

const ADVICE: Words = Words {
    en: "If you did not expect this, do nothing: without a password nobody enters that account. Never share this link.",
    hi: "यदि आपको इसकी उम्मीद नहीं थी, तो कुछ न करें: पासवर्ड के बिना उस खाते में कोई नहीं जा सकता। यह लिंक किसी को न दें।",
    bn: "আপনি এটি আশা না করে থাকলে কিছু করবেন না: পাসওয়ার্ড ছাড়া ওই অ্যাকাউন্টে কেউ ঢুকতে পারে না। এই লিঙ্ক কাউকে দেবেন না।",
    te: "మీరు దీన్ని ఆశించకపోతే ఏమీ చేయనవసరం లేదు: పాస్‌వర్డ్ లేకుండా ఆ ఖాతాలోకి ఎవరూ రాలేరు. ఈ లింక్ ఎవరికీ ఇవ్వకండి.",
    mr: "तुम्हाला हे अपेक्षित नसेल, तर काहीही करू नका: पासवर्डशिवाय त्या खात्यात कोणीही जाऊ शकत नाही. ही लिंक कोणालाही देऊ नका.",
    ta: "இதை நீங்கள் எதிர்பார்க்கவில்லை என்றால் எதுவும் செய்ய வேண்டாம்: கடவுச்சொல் இல்லாமல் யாரும் அந்தக் கணக்கில் நுழைய முடியாது. இந்த இணைப்பை யாரிடமும் பகிர வேண்டாம்.",
    ur: "اگر آپ کو اس کی توقع نہیں تھی تو کچھ نہ کریں: پاس ورڈ کے بغیر کوئی اس اکاؤنٹ میں داخل نہیں ہو سکتا۔ یہ لنک کسی کو نہ دیں۔",
};

pub(super) fn email(filling: &Filling<'_>, page: &Url) -> Result<Letter, BadFilling> {
    let language = filling.language;
    let draft = Draft {
        language,
        subject: SUBJECT.of(language),
        opening: &WHAT.with_hours(language, filling.life_in_hours()?),
        link: Some(Link::new(LINK.of(language), page, filling.secret("token")?)),
        facts: Vec::new(),
        advice: ADVICE.of(language),
    };
    Ok(draft.letter())
}
