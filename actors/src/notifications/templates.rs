//! The texts people get, in every language. A test checks that each one exists and fits.

use crate::domain::language::Language;

/// What a login code's SMS is made of.
#[derive(Clone, Copy, Debug)]
pub struct LoginCode<'a> {
    /// The code.
    pub code: &'a str,
    /// For how many minutes it lives.
    pub minutes: i64,
    /// The web site whose pages may read the code (WebOTP), if any.
    pub webotp_domain: Option<&'a str>,
    /// The hash of the Android app that may read the code (SMS Retriever), if any.
    pub android_app_hash: Option<&'a str>,
}

impl LoginCode<'_> {
    /// The text in `language`. The Android hash stands on the last line but one and `@domain #code` on the last, where
    /// phones and browsers look for them.
    pub fn render(&self, language: Language) -> String {
        let Self { code, minutes, .. } = self;
        let mut text = match language {
            Language::En => {
                format!("{code} is your CivicLens code. It is valid for {minutes} minutes. Never share it.")
            }
            Language::Hi => format!("{code} आपका CivicLens कोड है। यह {minutes} मिनट तक मान्य है। इसे किसी को न बताएं।"),
            Language::Bn => format!("{code} আপনার CivicLens কোড। এটি {minutes} মিনিট বৈধ। কাউকে জানাবেন না।"),
            Language::Te => format!("{code} మీ CivicLens కోడ్. ఇది {minutes} నిమిషాలు చెల్లుతుంది. ఎవరికీ చెప్పకండి."),
            Language::Mr => format!("{code} हा तुमचा CivicLens कोड आहे. तो {minutes} मिनिटे वैध आहे. कोणालाही सांगू नका."),
            Language::Ta => {
                format!("{code} உங்கள் CivicLens குறியீடு. இது {minutes} நிமிடங்கள் செல்லும். யாரிடமும் பகிர வேண்டாம்.")
            }
            Language::Ur => format!("{code} آپ کا CivicLens کوڈ ہے۔ یہ {minutes} منٹ تک درست ہے۔ کسی کو نہ بتائیں۔"),
        };
        if let Some(hash) = self.android_app_hash {
            text.push('\n');
            text.push_str(hash);
        }
        if let Some(domain) = self.webotp_domain {
            text.push_str("\n\n@");
            text.push_str(domain);
            text.push_str(" #");
            text.push_str(code);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(language: Language) -> String {
        let hash = Some("FA+9qCX9VSu");
        LoginCode { code: "012345", minutes: 5, webotp_domain: Some("civiclens.example"), android_app_hash: hash }
            .render(language)
    }

    #[test]
    fn every_language_has_its_own_text_with_the_code_and_the_last_line() {
        let texts: std::collections::HashSet<String> = Language::ALL.into_iter().map(text).collect();
        assert_eq!(texts.len(), Language::ALL.len());
        for text in texts {
            assert!(text.starts_with("012345"), "{text}");
            assert_eq!(text.lines().last(), Some("@civiclens.example #012345"));
            assert!(text.lines().any(|line| line == "FA+9qCX9VSu"));
        }
    }

    #[test]
    fn the_english_text() {
        insta::assert_snapshot!(text(Language::En), @r"
        012345 is your CivicLens code. It is valid for 5 minutes. Never share it.
        FA+9qCX9VSu

        @civiclens.example #012345
        ");
    }
}
