//! The second factor was changed.

use super::letter::{self, Letter};
use super::words::{CHANGE_PASSWORD, Words};
use super::{BadFilling, Filling};

/// How the second factor was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was turned on.
    Enabled,
    /// It was turned off.
    Disabled,
    /// There are new backup codes.
    BackupCodes,
}

impl Change {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Enabled, Self::Disabled, Self::BackupCodes];

    /// The value of the parameter `change`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::BackupCodes => "backup_codes",
        }
    }

    fn of(filling: &Filling<'_>) -> Result<Self, BadFilling> {
        let given = filling.params.get("change");
        Self::ALL
            .into_iter()
            .find(|change| Some(change.as_str()) == given.map(String::as_str))
            .ok_or(BadFilling("change"))
    }

    fn words(self) -> Words {
        match self {
            Self::Enabled => ENABLED,
            Self::Disabled => DISABLED,
            Self::BackupCodes => BACKUP_CODES,
        }
    }
}

const SUBJECT: Words = Words {
    en: "Two-step sign-in of your CivicLens account was changed",
    hi: "आपके CivicLens खाते का दो-चरणीय साइन-इन बदला गया",
    bn: "আপনার CivicLens অ্যাকাউন্টের দুই ধাপের সাইন-ইন বদলানো হয়েছে",
    te: "మీ CivicLens ఖాతా రెండు దశల సైన్-ఇన్ మార్చబడింది",
    mr: "तुमच्या CivicLens खात्याचे दोन टप्प्यांचे साइन-इन बदलले",
    ta: "உங்கள் CivicLens கணக்கின் இரு படி உள்நுழைவு மாற்றப்பட்டது",
    ur: "آپ کے CivicLens اکاؤنٹ کا دو مرحلہ سائن اِن بدل دیا گیا",
};

const ENABLED: Words = Words {
    en: "Two-step sign-in was turned on for your CivicLens account.",
    hi: "आपके CivicLens खाते में दो-चरणीय साइन-इन चालू किया गया है।",
    bn: "আপনার CivicLens অ্যাকাউন্টে দুই ধাপের সাইন-ইন চালু করা হয়েছে।",
    te: "మీ CivicLens ఖాతాకు రెండు దశల సైన్-ఇన్ ఆన్ చేయబడింది.",
    mr: "तुमच्या CivicLens खात्यासाठी दोन टप्प्यांचे साइन-इन सुरू करण्यात आले आहे.",
    ta: "உங்கள் CivicLens கணக்கில் இரு படி உள்நுழைவு இயக்கப்பட்டது.",
    ur: "آپ کے CivicLens اکاؤنٹ میں دو مرحلہ سائن اِن آن کر دیا گیا ہے۔",
};

const DISABLED: Words = Words {
    en: "Two-step sign-in was turned off for your CivicLens account.",
    hi: "आपके CivicLens खाते में दो-चरणीय साइन-इन बंद किया गया है।",
    bn: "আপনার CivicLens অ্যাকাউন্টে দুই ধাপের সাইন-ইন বন্ধ করা হয়েছে।",
    te: "మీ CivicLens ఖాతాకు రెండు దశల సైన్-ఇన్ ఆఫ్ చేయబడింది.",
    mr: "तुमच्या CivicLens खात्यासाठी दोन टप्प्यांचे साइन-इन बंद करण्यात आले आहे.",
    ta: "உங்கள் CivicLens கணக்கில் இரு படி உள்நுழைவு முடக்கப்பட்டது.",
    ur: "آپ کے CivicLens اکاؤنٹ میں دو مرحلہ سائن اِن بند کر دیا گیا ہے۔",
};

const BACKUP_CODES: Words = Words {
    en: "New backup codes were made for your CivicLens account; the old ones no longer work.",
    hi: "आपके CivicLens खाते के लिए नए बैकअप कोड बनाए गए हैं; पुराने अब काम नहीं करेंगे।",
    bn: "আপনার CivicLens অ্যাকাউন্টের জন্য নতুন ব্যাকআপ কোড তৈরি হয়েছে; পুরোনোগুলি আর কাজ করবে না।",
    te: "మీ CivicLens ఖాతాకు కొత్త బ్యాకప్ కోడ్‌లు తయారయ్యాయి; పాతవి ఇక పని చేయవు.",
    mr: "तुमच्या CivicLens खात्यासाठी नवीन बॅकअप कोड तयार झाले आहेत; जुने आता चालणार नाहीत.",
    ta: "உங்கள் CivicLens கணக்கிற்குப் புதிய காப்புக் குறியீடுகள் உருவாக்கப்பட்டன; பழையவை இனி செல்லாது.",
    ur: "آپ کے CivicLens اکاؤنٹ کے لیے نئے بیک اَپ کوڈ بنائے گئے ہیں؛ پرانے اب کام نہیں کریں گے۔",
};

pub(super) fn sms(filling: &Filling<'_>) -> Result<String, BadFilling> {
    let what = Change::of(filling)?.words();
    Ok(format!("{} {}", what.of(filling.language), CHANGE_PASSWORD.of(filling.language)))
}

pub(super) fn email(filling: &Filling<'_>) -> Result<Letter, BadFilling> {
    let what = Change::of(filling)?.words();
    Ok(letter::notice(filling, SUBJECT, what.of(filling.language), CHANGE_PASSWORD))
}
