//! The message as it goes over the wire. Made of the job alone: an attempt is the same as the one before it.

use lettre::Message;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{MultiPart, SinglePart};

use super::{Email, Sender};

/// Tells programs that answer mail not to answer this (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// The `Message-ID` of a job.
pub(super) fn message_id(email: &Email, from: &Sender) -> String {
    format!("<{}@{}>", email.id, from.0.email.domain())
}

pub(super) fn message(email: &Email, from: &Sender) -> Result<Message, lettre::error::Error> {
    // Plain text first: readers show the last form that they understand (RFC 2046).
    let body = MultiPart::alternative()
        .boundary(format!("civiclens-{}", email.id.simple()))
        .singlepart(SinglePart::plain(email.letter.text.clone()))
        .singlepart(SinglePart::html(email.letter.html.clone()));
    Message::builder()
        .from(from.0.clone())
        .to(email.to.clone().into())
        .subject(email.letter.subject.clone())
        .date(email.created_at.into())
        .message_id(Some(message_id(email, from)))
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
        .multipart(body)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use lettre::Address;
    use uuid::Uuid;

    use super::*;
    use crate::notifications::templates::Letter;

    fn email() -> Email {
        let letter = Letter {
            subject: "नया CivicLens पासवर्ड बनाएं".to_owned(),
            text: "Line one\nएक\n".to_owned(),
            html: "<p>One</p>\n".to_owned(),
        };
        let created_at = DateTime::from_timestamp(1_795_518_000, 0).unwrap();
        Email { id: Uuid::from_u128(7), to: "asha@example.org".parse().unwrap(), letter, created_at }
    }

    #[test]
    fn every_attempt_is_the_same_message() {
        let from: Sender = "CivicLens <no-reply@civiclens.example>".parse().unwrap();
        let bytes = message(&email(), &from).unwrap().formatted();
        assert_eq!(bytes, message(&email(), &from).unwrap().formatted());
        assert!(bytes.is_ascii());
        let text = String::from_utf8(bytes).unwrap();
        let head = text.split("\r\n\r\n").next().unwrap();
        for line in [
            "From: CivicLens <no-reply@civiclens.example>",
            "To: asha@example.org",
            "Date: Tue, 24 Nov 2026 11:00:00 +0000",
            "Message-ID: <00000000-0000-0000-0000-000000000007@civiclens.example>",
            "Auto-Submitted: auto-generated",
        ] {
            assert!(head.lines().any(|found| found == line), "{line}\n{head}");
        }
        let (plain, html) = (text.find("text/plain").unwrap(), text.find("text/html").unwrap());
        assert!(plain < html);
    }

    #[test]
    fn an_address_cannot_bring_a_header_along() {
        for text in [
            "a@b.org\r\nBcc: x@y.org",
            "a@b.org\nBcc: x@y.org",
            "\"a\r\nBcc: x\"@b.org",
            "\"a\\\r\nBcc: x\"@b.org",
            "a@b.org, x@y.org",
            "A <a@b.org>",
            "a@b.org>\r\nRCPT TO:<x@y.org",
            "",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }
}
