//! E-mail reaches the mail server, once.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use civiclens_actors::domain::clock::Clock;
use civiclens_actors::notifications::email::{Email, InboxProvider, Provider};
use civiclens_actors::notifications::inbox::Inbox;
use civiclens_actors::notifications::templates::Letter;
use civiclens_actors::short_memory::{Config, ShortMemory};
use civiclens_nats::jobs::email::EmailJobV1;
use civiclens_nats::jobs::sms::SmsJobV1;
use civiclens_nats::subjects::Channel;
use uuid::Uuid;

use crate::support::{Mail, MailReply, TestApp, eventually, story, story_with};

const ASHA: &str = "asha@example.org";

fn notice(template: &str) -> EmailJobV1 {
    EmailJobV1 {
        to: ASHA.to_owned(),
        template: template.to_owned(),
        language: None,
        sealed: None,
        params: BTreeMap::new(),
        expires_at: None,
    }
}

async fn orders(app: &TestApp, job: EmailJobV1) -> Uuid {
    let id = app.new_id();
    app.orders(Channel::Email, id, job).await;
    id
}

async fn mail(app: &TestApp, count: usize) -> Vec<Mail> {
    eventually("an e-mail", async || {
        let all = app.mail.messages_to(ASHA);
        (all.len() >= count).then_some(all)
    })
    .await
}

#[actix::test]
async fn a_reset_link_arrives_as_text_and_as_a_page() {
    let configure = |settings: &mut civiclens::config::Settings| {
        settings.server.public_url = Some(url::Url::parse("https://id.civiclens.example/").unwrap());
    };
    story_with(configure, async |app| {
        let id = app.new_id();
        let job = EmailJobV1 {
            language: Some("hi".to_owned()),
            sealed: Some(app.seals(id, ASHA, "t0ken-_x")),
            expires_at: Some(app.clock.now() + TimeDelta::minutes(15)),
            ..notice("password_reset")
        };
        app.orders(Channel::Email, id, job).await;
        let mail = mail(app, 1).await.remove(0);
        let link = "https://id.civiclens.example/reset-password#token=t0ken-_x";
        assert_eq!(mail.receivers, [ASHA]);
        assert_eq!(mail.subject, "नया CivicLens पासवर्ड बनाएं");
        assert!(mail.text.lines().any(|line| line == link), "{}", mail.text);
        assert!(mail.text.contains("15 मिनट"), "{}", mail.text);
        assert!(mail.html.contains(&format!("<a href=\"{link}\"")), "{}", mail.html);
        assert_eq!(mail.header("From").as_deref(), Some("CivicLens <no-reply@civiclens.example>"));
        assert_eq!(mail.header("To").as_deref(), Some(ASHA));
        assert_eq!(mail.header("Auto-Submitted").as_deref(), Some("auto-generated"));
        assert_eq!(mail.header("Message-ID"), Some(format!("<{id}@civiclens.example>")));
    })
    .await;
}

#[actix::test]
async fn messages_share_a_connection() {
    story(async |app| {
        for count in 1..=3 {
            orders(app, notice("password_changed")).await;
            mail(app, count).await;
            app.jobs_are_done().await;
        }
        assert_eq!(app.mail.connections(), 1);
    })
    .await;
}

#[actix::test]
async fn a_server_that_is_busy_is_asked_again() {
    story(async |app| {
        app.mail.will(&[MailReply::Busy, MailReply::Busy]);
        orders(app, notice("password_changed")).await;
        mail(app, 1).await;
        app.jobs_are_done().await;
        assert_eq!((app.mail.messages_to(ASHA).len(), app.mail.receivers()), (1, 3));
    })
    .await;
}

#[actix::test]
async fn a_message_whose_answer_was_lost_is_sent_again_and_can_be_recognised() {
    story(async |app| {
        app.mail.will(&[MailReply::TakeAndHangUp]);
        let id = orders(app, notice("password_changed")).await;
        let copies = mail(app, 2).await;
        app.jobs_are_done().await;
        assert_eq!(copies.len(), 2);
        assert_eq!(copies[0].raw, copies[1].raw);
        assert_eq!(copies[0].header("Message-ID"), Some(format!("<{id}@civiclens.example>")));
    })
    .await;
}

#[actix::test]
async fn a_message_that_can_never_arrive_is_kept_with_why() {
    story(async |app| {
        app.mail.will(&[MailReply::Refused]);
        orders(app, notice("password_changed")).await;
        let letter = app.dead_letters(1).await.remove(0);
        assert_eq!(letter.name(), "notify_dead.email");
        assert_eq!(letter.body["code"], "smtp_550");
        assert_eq!(letter.body["attempts"], 1);
        assert!(!letter.body["reason"].as_str().unwrap().contains(ASHA));
        assert_eq!(letter.body["message"]["data"]["to"], ASHA);
    })
    .await;
}

#[actix::test]
async fn what_is_no_proper_job_is_kept_with_why() {
    story(async |app| {
        let smuggled = EmailJobV1 { to: format!("{ASHA}\r\nBcc: all@example.org"), ..notice("password_changed") };
        let moved = app.seals(app.new_id(), ASHA, "t0ken");
        let end = Some(app.clock.now() + TimeDelta::minutes(15));
        let moved = EmailJobV1 { sealed: Some(moved), expires_at: end, ..notice("password_reset") };
        let bare = EmailJobV1 { expires_at: end, ..notice("password_reset") };
        for job in [smuggled, moved, bare, notice("new_device"), notice("greetings")] {
            orders(app, job).await;
        }
        let letters = app.dead_letters(5).await;
        let mut codes: Vec<_> = letters.iter().map(|letter| letter.body["code"].as_str().unwrap()).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["bad_address", "bad_job", "bad_job", "cannot_open", "unknown_template"]);
        assert_eq!(app.mail.receivers(), 0);
    })
    .await;
}

#[actix::test]
async fn a_message_that_comes_too_late_is_not_sent() {
    story(async |app| {
        let expires_at = Some(app.clock.now() - TimeDelta::seconds(1));
        orders(app, EmailJobV1 { expires_at, ..notice("account_locked") }).await;
        orders(app, notice("password_changed")).await;
        mail(app, 1).await;
        app.jobs_are_done().await;
        assert_eq!(app.mail.messages_to(ASHA).len(), 1);
        assert!(app.dead_letters(0).await.is_empty());
    })
    .await;
}

#[actix::test]
async fn a_notice_by_sms_is_in_the_language_asked_for() {
    story(async |app| {
        let job = SmsJobV1 {
            to: "+919876543210".to_owned(),
            template: "account_locked".to_owned(),
            language: Some("en".to_owned()),
            sealed: None,
            params: BTreeMap::from([("minutes".to_owned(), "30".to_owned())]),
            expires_at: None,
        };
        app.orders(Channel::Sms, app.new_id(), job.clone()).await;
        app.orders(Channel::Sms, app.new_id(), SmsJobV1 { language: Some("ur".to_owned()), ..job }).await;
        let texts = eventually("two SMS", async || {
            let all = app.twilio.messages_to("+919876543210");
            (all.len() == 2).then(|| all.into_iter().map(|message| message.body).collect::<Vec<_>>())
        })
        .await;
        assert!(texts.iter().any(|text| text.contains("locked for 30 minutes")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("30 منٹ")), "{texts:?}");
    })
    .await;
}

#[actix::test]
async fn the_development_inbox_keeps_an_email_once() {
    story(async |app| {
        let config = Config {
            url: app.settings.redis.url.clone(),
            prefix: app.settings.redis.prefix.clone(),
            timeout: Duration::from_secs(5),
            refuse_eviction: true,
        };
        let inbox = Inbox::new(ShortMemory::new(&config).unwrap());
        let provider = InboxProvider::new(inbox.clone(), app.clock.clone());
        let letter = Letter { subject: "A".to_owned(), text: "B".to_owned(), html: "<p>C</p>".to_owned() };
        let email = Email { id: app.new_id(), to: ASHA.parse().unwrap(), letter, created_at: app.clock.now() };
        provider.send(&email).await.unwrap();
        provider.send(&email).await.unwrap();
        let kept = inbox.messages().await.unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!((kept[0].channel.as_str(), kept[0].to.as_str()), ("email", ASHA));
        assert_eq!((kept[0].subject.as_deref(), kept[0].html.as_deref()), (Some("A"), Some("<p>C</p>")));
    })
    .await;
}
