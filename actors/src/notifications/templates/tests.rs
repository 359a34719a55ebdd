use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Duration, Utc};
use url::Url;

use super::*;
use crate::domain::language::Language;
use crate::domain::secret::Secret;

const READERS: Readers<'static> =
    Readers { webotp_domain: Some("civiclens.example"), android_app_hash: Some("FA+9qCX9VSu") };

fn created_at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_518_000, 0).unwrap()
}

fn params(change: &str) -> BTreeMap<String, String> {
    let all = [
        ("change", change),
        ("minutes", "30"),
        ("device", "Firefox <script>alert(1)</script>"),
        ("ip", "203.0.113.7"),
        ("time", "2026-11-24T10:57:38.881Z"),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn filling<'a>(language: Language, secret: &'a Secret, params: &'a BTreeMap<String, String>) -> Filling<'a> {
    let expires_at = Some(created_at() + Duration::minutes(15));
    Filling { language, secret: Some(secret), params, created_at: created_at(), expires_at }
}

fn pages() -> Pages {
    let page = |name: &str| Url::parse(&format!("https://id.civiclens.example/{name}")).unwrap();
    Pages { reset: page("reset-password"), invitation: page("accept-invitation") }
}

fn sms(template: SmsTemplate, language: Language, change: Change) -> String {
    let params = params(change.as_str());
    template.render(&filling(language, &Secret::from("012345"), &params), READERS).unwrap()
}

fn email(template: EmailTemplate, language: Language, change: Change) -> Letter {
    let params = params(change.as_str());
    let secret = Secret::from("t0k-en_");
    let mut filling = filling(language, &secret, &params);
    if template == EmailTemplate::Invitation {
        filling.expires_at = Some(created_at() + Duration::hours(72));
    }
    template.render(&filling, &pages()).unwrap()
}

/// Every message there is, once for each change.
fn each<T: Copy>(templates: &[T]) -> impl Iterator<Item = (T, Change)> {
    templates.iter().flat_map(|template| Change::ALL.map(|change| (*template, change)))
}

#[test]
fn every_language_has_its_own_sms_with_its_values() {
    for (template, change) in each(SmsTemplate::ALL) {
        let texts = Language::ALL.map(|language| sms(template, language, change));
        assert_eq!(HashSet::from(texts.clone()).len(), Language::ALL.len(), "{template:?}");
        for text in texts {
            let is_code = template.as_str().ends_with("_code");
            assert_eq!(is_code, text.starts_with("012345 "), "{text}");
            assert_eq!(is_code, text.lines().last() == Some("@civiclens.example #012345"), "{text}");
            assert_eq!(is_code, text.lines().any(|line| line == "FA+9qCX9VSu"), "{text}");
            assert_eq!(template == SmsTemplate::AccountLocked, text.contains("30"), "{text}");
            assert!(text.contains("CivicLens") && !text.contains(['{', '}']), "{text}");
        }
    }
}

#[test]
fn a_code_and_what_programs_read_of_it_fit_one_sms() {
    // The longest domain that leaves room in every language.
    let readers = Readers { webotp_domain: Some("app.civiclens.example"), ..READERS };
    let codes = SmsTemplate::ALL.iter().filter(|template| template.as_str().ends_with("_code"));
    for (template, language) in codes.flat_map(|template| Language::ALL.map(|language| (*template, language))) {
        let (secret, params) = (Secret::from("012345"), BTreeMap::new());
        let text = template.render(&filling(language, &secret, &params), readers).unwrap();
        let units = text.encode_utf16().count();
        assert!(codes::is_one_sms(&text), "{template:?} {language:?}, {units} characters: {text}");
        assert!(language == Language::En || units <= 70, "{units}: {text}");
        // Where no app reads it there is room for everything that a person should know.
        let told = template.render(&filling(language, &secret, &params), Readers::default()).unwrap();
        assert!(told.contains("15") && told.chars().count() > 40, "{told}");
    }
}

#[test]
fn one_sms_carries_140_bytes() {
    for fits in ["x".repeat(160), "\u{939}".repeat(70), "{".repeat(80), "\u{1F600}".repeat(35)] {
        assert!(codes::is_one_sms(&fits), "{fits}");
        assert!(!codes::is_one_sms(&format!("{fits}x")), "{fits}");
    }
}

#[test]
fn every_message_is_told_from_every_other() {
    for language in Language::ALL {
        let texts: HashSet<_> =
            each(SmsTemplate::ALL).map(|(template, change)| sms(template, language, change)).collect();
        // Three changes of the second factor, and seven others.
        assert_eq!(texts.len(), 10, "{language:?}");
        let letters: HashSet<_> =
            each(EmailTemplate::ALL).map(|(template, change)| email(template, language, change).text).collect();
        assert_eq!(letters.len(), 9, "{language:?}");
    }
}

#[test]
fn every_language_has_its_own_email_with_its_values() {
    for (template, change) in each(EmailTemplate::ALL) {
        let letters = Language::ALL.map(|language| email(template, language, change));
        for part in [
            |letter: &Letter| letter.subject.clone(),
            |letter: &Letter| letter.text.clone(),
            |letter: &Letter| letter.html.clone(),
        ] {
            assert_eq!(letters.iter().map(part).collect::<HashSet<_>>().len(), Language::ALL.len(), "{template:?}");
        }
        for (letter, language) in letters.iter().zip(Language::ALL) {
            let mut values = match template {
                EmailTemplate::PasswordReset => {
                    vec!["https://id.civiclens.example/reset-password#token=t0k-en_", "15"]
                }
                EmailTemplate::Invitation => {
                    vec!["https://id.civiclens.example/accept-invitation#token=t0k-en_", "72"]
                }
                EmailTemplate::NewDevice => vec!["Firefox ", "203.0.113.7"],
                EmailTemplate::AccountLocked => vec!["30"],
                _ => Vec::new(),
            };
            if let EmailTemplate::PasswordReset | EmailTemplate::Invitation = template {
                assert!(letter.text.lines().any(|line| line == "t0k-en_"), "{}", letter.text);
                assert!(letter.html.contains(">t0k-en_</code>"), "{}", letter.html);
            } else {
                values.push("24-11-2026 16:27 IST");
            }
            for value in values {
                assert!(letter.text.contains(value) && letter.html.contains(value), "{value}: {}", letter.text);
            }
            assert!(!letter.html.contains("<script"), "{}", letter.html);
            assert!(!letter.text.contains(['{', '}']) && !letter.subject.contains(['{', '}', '\r', '\n']));
            let direction = if language == Language::Ur { "dir=\"rtl\"" } else { "dir=\"ltr\"" };
            assert!(letter.html.contains(&format!("<html lang=\"{}\" {direction}>", language.as_str())));
        }
    }
}

#[test]
fn html_is_escaped_and_a_value_is_no_template() {
    let mut params = params("enabled");
    params.insert("device".to_owned(), "{minutes} <b a=\"x\" c='y'>&\r\nDevice: mine\u{202e}".to_owned());
    let secret = Secret::default();
    let letter = EmailTemplate::NewDevice.render(&filling(Language::En, &secret, &params), &pages()).unwrap();
    assert!(letter.html.contains("<bdi>{minutes} &lt;b a=&quot;x&quot; c=&#39;y&#39;&gt;&amp;  Device: mine </bdi>"));
    assert!(letter.text.contains("Device: {minutes} <b a=\"x\" c='y'>&  Device: mine \n"), "{}", letter.text);

    params.insert("device".to_owned(), "x".repeat(10_000));
    let letter = EmailTemplate::NewDevice.render(&filling(Language::En, &secret, &params), &pages()).unwrap();
    assert!(letter.text.len() < 1_000);
}

#[test]
fn a_token_cannot_leave_the_fragment_and_the_page_is_kept() {
    let (secret, params) = (Secret::from("a b\"<&"), BTreeMap::new());
    let pages = Pages { reset: Url::parse("https://civiclens.example/id/new?lang=hi").unwrap(), ..pages() };
    let letter = EmailTemplate::PasswordReset.render(&filling(Language::En, &secret, &params), &pages).unwrap();
    let link = "https://civiclens.example/id/new?lang=hi#token=a%20b%22%3C&\n";
    assert!(letter.text.contains(link), "{}", letter.text);
    assert!(letter.html.contains(">a b&quot;&lt;&amp;</code>"), "{}", letter.html);
}

#[test]
fn what_is_missing_is_named() {
    let params = BTreeMap::new();
    let nothing =
        Filling { language: Language::En, secret: None, params: &params, created_at: created_at(), expires_at: None };
    let sms = |template: SmsTemplate| template.render(&nothing, READERS);
    let email = |template: EmailTemplate| template.render(&nothing, &pages());
    assert_eq!(sms(SmsTemplate::LoginCode), Err(BadFilling("code")));
    assert_eq!(sms(SmsTemplate::TwoFactorChanged), Err(BadFilling("change")));
    assert_eq!(sms(SmsTemplate::AccountLocked), Err(BadFilling("minutes")));
    assert_eq!(email(EmailTemplate::PasswordReset), Err(BadFilling("expires_at")));
    assert_eq!(email(EmailTemplate::NewDevice), Err(BadFilling("device")));
    // A notice without a time is of the job's.
    assert!(email(EmailTemplate::PasswordChanged).unwrap().text.contains("Time: 24-11-2026"));
}

#[test]
fn names_are_read_back() {
    for template in SmsTemplate::ALL {
        assert_eq!(SmsTemplate::parse(template.as_str()), Some(*template));
    }
    for template in EmailTemplate::ALL {
        assert_eq!(EmailTemplate::parse(template.as_str()), Some(*template));
    }
    assert_eq!(SmsTemplate::parse("password_reset"), None);
}

#[test]
fn the_english_texts() {
    let texts = SmsTemplate::ALL
        .iter()
        .map(|template| format!("=== sms {}\n{}\n", template.as_str(), sms(*template, Language::En, Change::Enabled)));
    let letters = EmailTemplate::ALL.iter().map(|template| {
        let Letter { subject, text, html } = email(*template, Language::En, Change::BackupCodes);
        format!("=== email {}\n{subject}\n\n{text}\n{html}", template.as_str())
    });
    let all: Vec<String> = texts.chain(letters).collect();
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("messages.en", all.join("\n")));
}
