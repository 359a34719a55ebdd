//! Too many attempts failed, and the account refuses logins for a while.

use super::letter::{self, Letter};
use super::words::Words;
use super::{BadFilling, Filling};

const SUBJECT: Words = Words {
    en: "Your CivicLens account is locked",
    hi: "आपका CivicLens खाता लॉक है",
    bn: "আপনার CivicLens অ্যাকাউন্ট লক করা হয়েছে",
    te: "మీ CivicLens ఖాతా లాక్ చేయబడింది",
    mr: "तुमचे CivicLens खाते लॉक आहे",
    ta: "உங்கள் CivicLens கணக்கு பூட்டப்பட்டுள்ளது",
    ur: "آپ کا CivicLens اکاؤنٹ لاک ہے",
};

const WHAT: Words = Words {
    en: "Your CivicLens account is locked for {minutes} minutes because of too many failed attempts to sign in.",
    hi: "साइन-इन के बहुत अधिक असफल प्रयासों के कारण आपका CivicLens खाता {minutes} मिनट के लिए लॉक कर दिया गया है।",
    bn: "সাইন-ইনের অনেকগুলি ব্যর্থ চেষ্টার কারণে আপনার CivicLens অ্যাকাউন্ট {minutes} মিনিটের জন্য লক করা হয়েছে।",
    te: "సైన్-ఇన్‌లో చాలా సార్లు విఫలమైనందున మీ CivicLens ఖాతా {minutes} నిమిషాలు లాక్ చేయబడింది.",
    mr: "साइन-इनचे अनेक प्रयत्न अयशस्वी झाल्यामुळे तुमचे CivicLens खाते {minutes} मिनिटांसाठी लॉक केले आहे.",
    ta: "உள்நுழைவு முயற்சிகள் பலமுறை தோல்வியடைந்ததால் உங்கள் CivicLens கணக்கு {minutes} நிமிடங்களுக்குப் பூட்டப்பட்டுள்ளது.",
    ur: "سائن اِن کی بہت سی ناکام کوششوں کی وجہ سے آپ کا CivicLens اکاؤنٹ {minutes} منٹ کے لیے لاک کر دیا گیا ہے۔",
};

const ADVICE: Words = Words {
    en: "If those attempts were not yours, change your password when the lock ends.",
    hi: "यदि ये प्रयास आपने नहीं किए, तो खाता खुलने पर अपना पासवर्ड बदलें।",
    bn: "এই চেষ্টা আপনি না করে থাকলে, লক খুললে আপনার পাসওয়ার্ড বদলান।",
    te: "ఆ ప్రయత్నాలు మీవి కాకపోతే, లాక్ తెరుచుకున్నాక మీ పాస్‌వర్డ్ మార్చండి.",
    mr: "हे प्रयत्न तुम्ही केले नसतील, तर लॉक उघडल्यावर तुमचा पासवर्ड बदला.",
    ta: "அந்த முயற்சிகள் உங்களுடையவை இல்லை என்றால், பூட்டு திறந்ததும் உங்கள் கடவுச்சொல்லை மாற்றவும்.",
    ur: "اگر یہ کوششیں آپ کی نہیں تھیں تو لاک کھلنے پر اپنا پاس ورڈ بدلیں۔",
};

pub(super) fn sms(filling: &Filling<'_>) -> Result<String, BadFilling> {
    let what = WHAT.with_minutes(filling.language, filling.minutes()?);
    Ok(format!("{what} {}", ADVICE.of(filling.language)))
}

pub(super) fn email(filling: &Filling<'_>) -> Result<Letter, BadFilling> {
    let what = WHAT.with_minutes(filling.language, filling.minutes()?);
    Ok(letter::notice(filling, SUBJECT, &what, ADVICE))
}
