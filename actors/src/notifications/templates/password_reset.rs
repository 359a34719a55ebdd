//! The link that permits a new password.

use url::Url;

use super::letter::{Draft, Letter, Link};
use super::words::Words;
use super::{BadFilling, Filling};

const SUBJECT: Words = Words {
    en: "Set a new CivicLens password",
    hi: "नया CivicLens पासवर्ड बनाएं",
    bn: "নতুন CivicLens পাসওয়ার্ড দিন",
    te: "కొత్త CivicLens పాస్‌వర్డ్ పెట్టుకోండి",
    mr: "नवीन CivicLens पासवर्ड ठेवा",
    ta: "புதிய CivicLens கடவுச்சொல்லை அமைக்கவும்",
    ur: "نیا CivicLens پاس ورڈ بنائیں",
};

const WHAT: Words = Words {
    en: "Somebody asked for a new password for your CivicLens account. Choose one with this link. It works once, within {minutes} minutes.",
    hi: "आपके CivicLens खाते के लिए नया पासवर्ड मांगा गया है। इस लिंक से उसे बनाएं। यह {minutes} मिनट के भीतर एक बार काम करेगा।",
    bn: "আপনার CivicLens অ্যাকাউন্টের জন্য নতুন পাসওয়ার্ড চাওয়া হয়েছে। এই লিঙ্ক দিয়ে তা দিন। এটি {minutes} মিনিটের মধ্যে একবার কাজ করবে।",
    te: "మీ CivicLens ఖాతాకు కొత్త పాస్‌వర్డ్ అడిగారు. ఈ లింక్‌తో దాన్ని పెట్టుకోండి. ఇది {minutes} నిమిషాల్లోపు ఒక్కసారి పని చేస్తుంది.",
    mr: "तुमच्या CivicLens खात्यासाठी नवीन पासवर्ड मागितला आहे. या लिंकवरून तो ठेवा. ती {minutes} मिनिटांत एकदाच चालेल.",
    ta: "உங்கள் CivicLens கணக்கிற்குப் புதிய கடவுச்சொல் கோரப்பட்டது. இந்த இணைப்பின் மூலம் அதை அமைக்கவும். இது {minutes} நிமிடங்களுக்குள் ஒருமுறை வேலை செய்யும்.",
    ur: "آپ کے CivicLens اکاؤنٹ کے لیے نیا پاس ورڈ مانگا گیا ہے۔ اس لنک سے نیا پاس ورڈ بنائیں۔ یہ {minutes} منٹ کے اندر ایک بار کام کرے گا۔",
};

const LINK: Words = Words {
    en: "Choose a new password",
    hi: "नया पासवर्ड बनाएं",
    bn: "নতুন পাসওয়ার্ড দিন",
    te: "కొత్త పాస్‌వర్డ్ పెట్టుకోండి",
    mr: "नवीन पासवर्ड ठेवा",
    ta: "புதிய கடவுச்சொல்லை அமைக்கவும்",
    ur: "نیا پاس ورڈ بنائیں",
};

const ADVICE: Words = Words {
    en: "If you did not ask for this, do nothing: your password stays as it is. Never share this link.",
    hi: "यदि आपने यह नहीं मांगा, तो कुछ न करें: आपका पासवर्ड वही रहेगा। यह लिंक किसी को न दें।",
    bn: "আপনি এটি না চেয়ে থাকলে কিছু করবেন না: আপনার পাসওয়ার্ড যেমন আছে তেমনই থাকবে। এই লিঙ্ক কাউকে দেবেন না।",
    te: "మీరు దీన్ని అడగకపోతే ఏమీ చేయనవసరం లేదు: మీ పాస్‌వర్డ్ అలాగే ఉంటుంది. ఈ లింక్ ఎవరికీ ఇవ్వకండి.",
    mr: "तुम्ही हे मागितले नसेल, तर काहीही करू नका: तुमचा पासवर्ड तसाच राहील. ही लिंक कोणालाही देऊ नका.",
    ta: "நீங்கள் இதைக் கோரவில்லை என்றால் எதுவும் செய்ய வேண்டாம்: உங்கள் கடவுச்சொல் அப்படியே இருக்கும். இந்த இணைப்பை யாரிடமும் பகிர வேண்டாம்.",
    ur: "اگر آپ نے یہ نہیں مانگا تو کچھ نہ کریں: آپ کا پاس ورڈ وہی رہے گا۔ یہ لنک کسی کو نہ دیں۔",
};

pub(super) fn email(filling: &Filling<'_>, page: &Url) -> Result<Letter, BadFilling> {
    let language = filling.language;
    let draft = Draft {
        language,
        subject: SUBJECT.of(language),
        opening: &WHAT.with_minutes(language, filling.life()?),
        link: Some(Link::new(LINK.of(language), page, filling.secret("token")?)),
        facts: Vec::new(),
        advice: ADVICE.of(language),
    };
    Ok(draft.letter())
}
