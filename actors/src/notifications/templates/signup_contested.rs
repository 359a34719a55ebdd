//! Somebody else signed up with the phone as well.

use super::words::Words;
use crate::domain::language::Language;

const WHAT: Words = Words {
    en: "Somebody else signed up to CivicLens with this number, too. If your password does not work, set a new one.",
    hi: "किसी और ने भी इस नंबर से CivicLens पर साइन-अप किया। यदि आपका पासवर्ड काम न करे, तो नया बनाएं।",
    bn: "অন্য কেউও এই নম্বর দিয়ে CivicLens-এ সাইন-আপ করেছে। আপনার পাসওয়ার্ড কাজ না করলে নতুন দিন।",
    te: "మరొకరు కూడా ఈ నంబరుతో CivicLensలో సైన్-అప్ చేశారు. మీ పాస్‌వర్డ్ పని చేయకపోతే, కొత్తది పెట్టుకోండి.",
    mr: "आणखी कोणीतरी या नंबरने CivicLens वर साइन-अप केले. तुमचा पासवर्ड चालत नसेल, तर नवीन ठेवा.",
    ta: "வேறொருவரும் இந்த எண்ணில் CivicLens-இல் பதிவு செய்துள்ளார். உங்கள் கடவுச்சொல் வேலை செய்யவில்லை என்றால், புதியதை அமைக்கவும்.",
    ur: "کسی اور نے بھی اس نمبر سے CivicLens پر سائن اپ کیا۔ اگر آپ کا پاس ورڈ کام نہ کرے تو نیا بنائیں۔",
};

pub(super) fn sms(language: Language) -> String {
    WHAT.of(language).to_owned()
}
