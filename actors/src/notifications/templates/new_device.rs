//! Somebody signed in on a device that was not seen before.

use super::letter::{Draft, Letter};
use super::words::{TIME, Words};
use super::{BadFilling, Filling};

const SUBJECT: Words = Words {
    en: "New sign-in to your CivicLens account",
    hi: "आपके CivicLens खाते में नया साइन-इन",
    bn: "আপনার CivicLens অ্যাকাউন্টে নতুন সাইন-ইন",
    te: "మీ CivicLens ఖాతాలో కొత్త సైన్-ఇన్",
    mr: "तुमच्या CivicLens खात्यात नवीन साइन-इन",
    ta: "உங்கள் CivicLens கணக்கில் புதிய உள்நுழைவு",
    ur: "آپ کے CivicLens اکاؤنٹ میں نیا سائن اِن",
};

const WHAT: Words = Words {
    en: "Your account was used to sign in on a device that we have not seen before.",
    hi: "आपके खाते से एक ऐसे डिवाइस पर साइन-इन हुआ है जो पहले नहीं देखा गया।",
    bn: "আপনার অ্যাকাউন্ট দিয়ে এমন একটি ডিভাইসে সাইন-ইন হয়েছে যা আগে দেখা যায়নি।",
    te: "ఇంతకు ముందు చూడని పరికరంలో మీ ఖాతాతో సైన్-ఇన్ జరిగింది.",
    mr: "तुमच्या खात्यातून आधी न वापरलेल्या डिव्हाइसवर साइन-इन झाले आहे.",
    ta: "இதற்கு முன் பயன்படுத்தாத சாதனத்தில் உங்கள் கணக்கு மூலம் உள்நுழைவு நடந்துள்ளது.",
    ur: "آپ کے اکاؤنٹ سے ایک ایسے آلے پر سائن اِن ہوا ہے جو پہلے استعمال نہیں ہوا تھا۔",
};

const ADVICE: Words = Words {
    en: "If it was you, there is nothing to do. If it was not, end that session in the app and change your password at once.",
    hi: "यदि यह आप थे, तो कुछ करने की ज़रूरत नहीं। यदि नहीं, तो ऐप में वह सत्र समाप्त करें और तुरंत अपना पासवर्ड बदलें।",
    bn: "এটি আপনি হলে কিছু করার দরকার নেই। না হলে অ্যাপে সেই সেশন শেষ করুন এবং এখনই আপনার পাসওয়ার্ড বদলান।",
    te: "ఇది మీరే అయితే ఏమీ చేయనవసరం లేదు. కాకపోతే, యాప్‌లో ఆ సెషన్‌ను ముగించి, వెంటనే మీ పాస్‌వర్డ్ మార్చండి.",
    mr: "हे तुम्ही असाल, तर काही करण्याची गरज नाही. नसाल, तर ॲपमध्ये ते सत्र संपवा आणि लगेच तुमचा पासवर्ड बदला.",
    ta: "இது நீங்கள் என்றால், எதுவும் செய்ய வேண்டியதில்லை. இல்லையென்றால், செயலியில் அந்த அமர்வை முடித்து, உடனே உங்கள் கடவுச்சொல்லை மாற்றவும்.",
    ur: "اگر یہ آپ تھے تو کچھ کرنے کی ضرورت نہیں۔ اگر نہیں تو ایپ میں وہ سیشن ختم کریں اور فوراً اپنا پاس ورڈ بدلیں۔",
};

const DEVICE: Words =
    Words {
        en: "Device", hi: "डिवाइस", bn: "ডিভাইস", te: "పరికరం", mr: "डिव्हाइस", ta: "சாதனம்", ur: "آلہ"
    };

const ADDRESS: Words = Words {
    en: "IP address",
    hi: "IP पता",
    bn: "IP ঠিকানা",
    te: "IP చిరునామా",
    mr: "IP पत्ता",
    ta: "IP முகவரி",
    ur: "IP پتہ",
};

pub(super) fn email(filling: &Filling<'_>) -> Result<Letter, BadFilling> {
    let language = filling.language;
    let draft = Draft {
        language,
        subject: SUBJECT.of(language),
        opening: WHAT.of(language),
        link: None,
        facts: vec![
            (DEVICE.of(language), filling.value("device")?),
            (ADDRESS.of(language), filling.value("ip")?),
            (TIME.of(language), filling.time()),
        ],
        advice: ADVICE.of(language),
    };
    Ok(draft.letter())
}
