//! The form of an e-mail, as plain text and as HTML. The one place where HTML is escaped.

use std::fmt::Write;

use url::Url;

use super::Filling;
use super::words::{TIME, Words};
use crate::domain::language::Language;

/// An e-mail, ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// The subject.
    pub subject: String,
    /// The plain text.
    pub text: String,
    /// The same as a page.
    pub html: String,
}

/// Shows the subject alone: the text may hold a link that opens something.
impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Letter({:?})", self.subject)
    }
}

/// What a letter says, before it has a form.
pub(super) struct Draft<'a> {
    pub(super) language: Language,
    pub(super) subject: &'a str,
    /// What happened.
    pub(super) opening: &'a str,
    /// The link that permits something.
    pub(super) link: Option<Link<'a>>,
    /// What is known of it, each with its label.
    pub(super) facts: Vec<(&'a str, String)>,
    /// What to do.
    pub(super) advice: &'a str,
}

/// A link that carries a token.
pub(super) struct Link<'a> {
    label: &'a str,
    url: Url,
    token: &'a str,
}

impl<'a> Link<'a> {
    /// A link to `page`. The token stands in the fragment, which no browser sends to any server: it is in no access log and in
    /// no `Referer`.
    pub(super) fn new(label: &'a str, page: &Url, token: &'a str) -> Self {
        let mut url = page.clone();
        url.set_fragment(Some(&format!("token={token}")));
        Self { label, url, token }
    }
}

/// Introduces the token of a link, for who cannot open the link or has an app with a field for it.
const COPY: Words = Words {
    en: "If the link does not open, copy this code",
    hi: "यदि लिंक न खुले, तो यह कोड कॉपी करें",
    bn: "লিঙ্ক না খুললে এই কোডটি কপি করুন",
    te: "లింక్ తెరుచుకోకపోతే, ఈ కోడ్‌ను కాపీ చేయండి",
    mr: "लिंक उघडत नसेल, तर हा कोड कॉपी करा",
    ta: "இணைப்பு திறக்கவில்லை என்றால், இந்தக் குறியீட்டை நகலெடுக்கவும்",
    ur: "اگر لنک نہ کھلے تو یہ کوڈ کاپی کریں",
};

const CLOSING: Words = Words {
    en: "This message was sent automatically. CivicLens never asks for your password or a code by e-mail or phone.",
    hi: "यह संदेश अपने आप भेजा गया है। CivicLens ई-मेल या फ़ोन पर कभी आपका पासवर्ड या कोड नहीं पूछता।",
    bn: "এই বার্তা স্বয়ংক্রিয়ভাবে পাঠানো হয়েছে। CivicLens কখনও ই-মেইলে বা ফোনে আপনার পাসওয়ার্ড বা কোড চায় না।",
    te: "ఈ సందేశం ఆటోమేటిక్‌గా పంపబడింది. CivicLens ఎప్పుడూ ఇమెయిల్ లేదా ఫోన్ ద్వారా మీ పాస్‌వర్డ్ లేదా కోడ్ అడగదు.",
    mr: "हा संदेश आपोआप पाठवला आहे. CivicLens कधीही ई-मेल किंवा फोनवर तुमचा पासवर्ड किंवा कोड विचारत नाही.",
    ta: "இந்தச் செய்தி தானாக அனுப்பப்பட்டது. CivicLens மின்னஞ்சலிலோ தொலைபேசியிலோ உங்கள் கடவுச்சொல்லையோ குறியீட்டையோ கேட்பதில்லை.",
    ur: "یہ پیغام خودکار طور پر بھیجا گیا ہے۔ CivicLens کبھی ای میل یا فون پر آپ کا پاس ورڈ یا کوڈ نہیں پوچھتا۔",
};

/// A notice: what happened, when, and what to do if it was somebody else.
pub(super) fn notice(filling: &Filling<'_>, subject: Words, opening: &str, advice: Words) -> Letter {
    let language = filling.language;
    let draft = Draft {
        language,
        subject: subject.of(language),
        opening,
        link: None,
        facts: vec![(TIME.of(language), filling.time())],
        advice: advice.of(language),
    };
    draft.letter()
}

impl Draft<'_> {
    /// Gives it its form.
    pub(super) fn letter(&self) -> Letter {
        Letter { subject: self.subject.to_owned(), text: self.text(), html: self.html() }
    }

    fn text(&self) -> String {
        let mut paragraphs = vec![self.opening.to_owned()];
        if let Some(Link { url, token, .. }) = &self.link {
            paragraphs.push(url.to_string());
            paragraphs.push(format!("{}:\n{token}", COPY.of(self.language)));
        }
        if !self.facts.is_empty() {
            let lines: Vec<String> = self.facts.iter().map(|(label, value)| format!("{label}: {value}")).collect();
            paragraphs.push(lines.join("\n"));
        }
        paragraphs.push(self.advice.to_owned());
        paragraphs.push(format!("-- \n{}", CLOSING.of(self.language)));
        paragraphs.join("\n\n") + "\n"
    }

    fn html(&self) -> String {
        let direction = if self.language == Language::Ur { "rtl" } else { "ltr" };
        let mut page = format!(
            "<!doctype html>\n<html lang=\"{}\" dir=\"{direction}\">\n<head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title></head>\n\
             <body style=\"margin:0;padding:24px;font:16px/1.5 system-ui,sans-serif;color:#1a1a1a\">\n\
             <div style=\"max-width:34rem;margin:0 auto\">\n<p>{}</p>\n",
            self.language.as_str(),
            escape(self.subject),
            escape(self.opening),
        );
        // Writing into a string cannot fail.
        if let Some(Link { label, url, token }) = &self.link {
            let (label, url, token) = (escape(label), escape(url.as_str()), escape(token));
            let copy = escape(COPY.of(self.language));
            let _infallible = write!(
                page,
                "<p><a href=\"{url}\" style=\"display:inline-block;padding:10px 18px;border-radius:6px;\
                 background:#0b5cad;color:#fff;text-decoration:none\">{label}</a></p>\n\
                 <p dir=\"ltr\" style=\"font-size:13px;overflow-wrap:anywhere\">{url}</p>\n\
                 <p>{copy}:<br><code dir=\"ltr\" style=\"overflow-wrap:anywhere\">{token}</code></p>\n"
            );
        }
        for (label, value) in &self.facts {
            // A value has a direction of its own.
            let _infallible = writeln!(page, "<p>{}: <bdi>{}</bdi></p>", escape(label), escape(value));
        }
        let _infallible = write!(
            page,
            "<p>{}</p>\n<p style=\"font-size:13px;color:#666\">{}</p>\n</div>\n</body>\n</html>\n",
            escape(self.advice),
            escape(CLOSING.of(self.language)),
        );
        page
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
