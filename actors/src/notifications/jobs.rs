//! Makes jobs into outbox messages, so that a message to a person is committed with the change it tells of.
//!
//! ```ignore
//! let order = Order { user: Some(user), request_id, ..Order::new(id, now) };
//! work.announce(jobs::email(&subjects, address, EmailTemplate::PasswordChanged, order)?);
//! ```

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use civiclens_nats::envelope::Envelope;
use civiclens_nats::jobs::email::EmailJobV1;
use civiclens_nats::jobs::sms::SmsJobV1;
use civiclens_nats::subjects::{Channel, Subjects};
use civiclens_nats::wire::Payload;
use uuid::Uuid;

use super::templates::{EmailTemplate, SmsTemplate};
use crate::domain::language::Language;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::store::outbox;

/// After this time a message without an end of its own is no longer sent. Every job ends: what ends is not sent again when
/// events are replayed.
const LIFE: Duration = Duration::days(3);

/// What a job is made of, whatever its channel.
#[derive(Clone, Debug)]
pub struct Order {
    /// Its identity: a worker that gets it twice knows it by this.
    pub id: Uuid,
    /// When it was made.
    pub now: DateTime<Utc>,
    /// Whom it is about; their messages leave in order. `None` where there is no account.
    pub user: Option<UserId>,
    /// The language to write in. An SMS is in the language that the holder of the number chose, where that is known.
    pub language: Option<Language>,
    /// The code or token, sealed to [`sealing_place`](super::sealing_place) of `id` and the receiver.
    pub sealed: Option<String>,
    /// What the template needs besides.
    pub params: BTreeMap<String, String>,
    /// After when it is of no use: the end of what is sealed. Three days where none is given.
    pub expires_at: Option<DateTime<Utc>>,
    /// The request that led to it.
    pub request_id: Option<String>,
}

impl Order {
    /// An order with nothing but its identity and time.
    pub fn new(id: Uuid, now: DateTime<Utc>) -> Self {
        let (user, language, sealed, expires_at, request_id) = (None, None, None, None, None);
        Self { id, now, user, language, sealed, params: BTreeMap::new(), expires_at, request_id }
    }

    fn end(&self) -> DateTime<Utc> {
        self.expires_at.unwrap_or(self.now + LIFE)
    }
}

/// An SMS to `to`, for the outbox.
pub fn sms(
    subjects: &Subjects,
    to: &Phone,
    template: SmsTemplate,
    mut order: Order,
) -> Result<outbox::Message, serde_json::Error> {
    let job = SmsJobV1 {
        to: to.to_string(),
        template: template.as_str().to_owned(),
        language: order.language.map(|language| language.as_str().to_owned()),
        sealed: order.sealed.take(),
        params: std::mem::take(&mut order.params),
        expires_at: Some(order.end()),
    };
    message(subjects, Channel::Sms, order, job)
}

/// An e-mail to `to`, for the outbox.
pub fn email(
    subjects: &Subjects,
    to: &str,
    template: EmailTemplate,
    mut order: Order,
) -> Result<outbox::Message, serde_json::Error> {
    let job = EmailJobV1 {
        to: to.to_owned(),
        template: template.as_str().to_owned(),
        language: order.language.map(|language| language.as_str().to_owned()),
        sealed: order.sealed.take(),
        params: std::mem::take(&mut order.params),
        expires_at: Some(order.end()),
    };
    message(subjects, Channel::Email, order, job)
}

fn message<T: Payload>(
    subjects: &Subjects,
    channel: Channel,
    order: Order,
    job: T,
) -> Result<outbox::Message, serde_json::Error> {
    let about = order.user.map_or_else(|| channel.to_string(), |user| user.to_string());
    let envelope = Envelope::new(order.id, order.now, about, job).with_request_id(order.request_id.clone());
    Ok(outbox::Message {
        id: order.id,
        key: order.user.map_or(0, UserId::get),
        subject: subjects.notify(channel),
        payload: envelope.to_text()?,
        expires_at: Some(order.end()),
        request_id: order.request_id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order() -> Order {
        Order {
            user: Some(UserId::from(42)),
            language: Some(Language::Ta),
            sealed: Some("v1.1.c2VhbGVk".to_owned()),
            params: BTreeMap::from([("minutes".to_owned(), "30".to_owned())]),
            request_id: Some("req-1".to_owned()),
            ..Order::new(Uuid::from_u128(7), DateTime::UNIX_EPOCH)
        }
    }

    fn read(message: &outbox::Message) -> serde_json::Value {
        serde_json::from_str(&message.payload).unwrap()
    }

    #[test]
    fn a_job_goes_to_its_channel_under_its_user() {
        let phone = Phone::from_stored("+919876543210".to_owned());
        let sms = sms(&Subjects::default(), &phone, SmsTemplate::AccountLocked, order()).unwrap();
        assert_eq!((sms.key, sms.subject.as_str(), sms.id), (42, "civiclens.notify.sms", Uuid::from_u128(7)));
        assert_eq!(sms.request_id.as_deref(), Some("req-1"));
        let written = read(&sms);
        assert_eq!(written["subject"], "42");
        assert_eq!(written["requestid"], "req-1");
        assert_eq!(written["data"]["to"], "+919876543210");
        assert_eq!(written["data"]["template"], "account_locked");
        assert_eq!(written["data"]["language"], "ta");
        assert_eq!(written["data"]["sealed"], "v1.1.c2VhbGVk");
        assert_eq!(written["data"]["params"]["minutes"], "30");

        let nobody = Order { user: None, ..order() };
        let email = email(&Subjects::default(), "a@example.org", EmailTemplate::PasswordReset, nobody).unwrap();
        assert_eq!((email.key, email.subject.as_str()), (0, "civiclens.notify.email"));
        let written = read(&email);
        assert_eq!(written["subject"], "email");
        assert_eq!(written["data"]["to"], "a@example.org");
    }

    #[test]
    fn every_job_ends() {
        let end = DateTime::UNIX_EPOCH + Duration::minutes(15);
        for (given, expected) in [(None, DateTime::UNIX_EPOCH + LIFE), (Some(end), end)] {
            let order = Order { expires_at: given, ..order() };
            let message = email(&Subjects::default(), "a@b.org", EmailTemplate::NewDevice, order).unwrap();
            assert_eq!(message.expires_at, Some(expected));
            let written = &read(&message)["data"]["expires_at"];
            assert_eq!(DateTime::parse_from_rfc3339(written.as_str().unwrap()).unwrap(), expected);
        }
    }
}
