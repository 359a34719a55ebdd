//! The notification workers, for `serve` and for `worker`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use civiclens_actors::notifications::email::{self, Smtp, SmtpConfig};
use civiclens_actors::notifications::sms::{self, Twilio, TwilioConfig};
use civiclens_actors::notifications::templates::Pages;
use civiclens_actors::notifications::{Handle, inbox::Inbox};
use civiclens_nats::backoff::Backoff;
use civiclens_nats::consume::{Handler, WorkerOptions};
use civiclens_nats::consumers;
use civiclens_nats::dead_letter::DeadLetters;
use civiclens_nats::subjects::{Channel, StreamKind};
use url::Url;

use super::foundation::Foundation;
use crate::cli;
use crate::config::Settings;

/// Where Twilio is, unless configuration says otherwise.
const TWILIO: &str = "https://api.twilio.com/";

/// How a channel's jobs are done.
struct Pace {
    /// How many one worker hands over at once.
    at_once: usize,
    /// How often a job is tried.
    tries: u64,
    /// The longest pause between two tries.
    longest_pause: Duration,
}

/// About two minutes: a code is of no use much later.
const SMS: Pace = Pace { at_once: 32, tries: 8, longest_pause: Duration::from_mins(1) };
/// About three quarters of an hour, since mail servers put strangers off for minutes. Each message takes a connection, and
/// they permit few.
const EMAIL: Pace = Pace { at_once: 8, tries: 16, longest_pause: Duration::from_mins(5) };

/// The channels that have workers.
pub(super) const CHANNELS: [Channel; 2] = [Channel::Sms, Channel::Email];

/// The channels an operator named; all when none was.
pub(super) fn named_or_all(named: &[cli::Channel]) -> Vec<Channel> {
    let named: Vec<Channel> = named.iter().copied().map(Channel::from).collect();
    CHANNELS.into_iter().filter(|channel| named.is_empty() || named.contains(channel)).collect()
}

/// Starts the workers of `channels`. Each has a consumer of its own, so that slow mail holds no code up.
pub(super) fn start(foundation: &Foundation, channels: &[Channel]) -> anyhow::Result<Vec<Handle>> {
    let mut workers = Vec::new();
    if channels.contains(&Channel::Sms) {
        workers.push(start_sms(foundation)?);
    }
    if channels.contains(&Channel::Email) {
        workers.push(start_email(foundation)?);
    }
    Ok(workers)
}

fn start_sms(foundation: &Foundation) -> anyhow::Result<Handle> {
    let otp = &foundation.settings.otp;
    let delivery = sms::Delivery::new(sms::Parts {
        provider: sms_provider(foundation)?,
        sealer: Arc::clone(&foundation.sealer),
        db: foundation.background_db.clone(),
        clock: Arc::clone(&foundation.clock),
        webotp_domain: otp.webotp_domain.clone(),
        android_app_hash: otp.android_app_hash.clone(),
    });
    Ok(start_channel(foundation, Channel::Sms, &SMS, delivery))
}

fn start_email(foundation: &Foundation) -> anyhow::Result<Handle> {
    let delivery = email::Delivery::new(email::Parts {
        provider: email_provider(foundation)?,
        sealer: Arc::clone(&foundation.sealer),
        clock: Arc::clone(&foundation.clock),
        pages: pages(&foundation.settings)?,
    });
    Ok(start_channel(foundation, Channel::Email, &EMAIL, delivery))
}

/// Where the links in letters lead: the configured pages, else those beside the API.
fn pages(settings: &Settings) -> anyhow::Result<Pages> {
    let (server, account) = (&settings.server, &settings.account);
    let home = Url::parse(&server.public_address()).context("server.public_url")?;
    let page = |configured: &Option<Url>, name: &str| {
        configured.clone().unwrap_or_else(|| {
            let mut page = home.clone();
            if let Ok(mut path) = page.path_segments_mut() {
                path.pop_if_empty().push(name);
            }
            page
        })
    };
    Ok(Pages {
        reset: page(&account.reset_url, "reset-password"),
        invitation: page(&account.invitation_url, "accept-invitation"),
    })
}

fn start_channel(foundation: &Foundation, channel: Channel, pace: &Pace, delivery: impl Handler) -> Handle {
    let clock = Arc::clone(&foundation.clock);
    let dead_letters = DeadLetters::new(foundation.publisher.clone(), channel);
    let options = WorkerOptions {
        concurrency: pace.at_once,
        ack_wait: Duration::from_secs(30),
        max_deliver: pace.tries,
        backoff: Backoff { base: Duration::from_secs(1), cap: pace.longest_pause },
        handle_timeout: Duration::from_secs(25),
        drain_timeout: Duration::from_secs(12),
        ..WorkerOptions::new(channel.as_str(), dead_letters, Arc::new(move || clock.now()))
    };
    let consumer = (foundation.subjects.stream(StreamKind::Notify), consumers::name(channel));
    let (jetstream, background) = (foundation.jetstream.clone(), foundation.background.handle());
    Handle::start(jetstream, consumer, Arc::new(delivery), options, &background, &foundation.supervisor)
}

fn inbox(foundation: &Foundation, key: &'static str) -> anyhow::Result<Inbox> {
    foundation.inbox().with_context(|| format!("{key}: \"log\" is for development only"))
}

fn sms_provider(foundation: &Foundation) -> anyhow::Result<Arc<dyn sms::Provider>> {
    let sms = &foundation.settings.sms;
    if sms.provider() == "log" {
        let inbox = inbox(foundation, "sms.provider")?;
        return Ok(Arc::new(sms::InboxProvider::new(inbox, Arc::clone(&foundation.clock))));
    }
    let base_url = Url::parse(sms.base_url.as_deref().unwrap_or(TWILIO)).context("sms.base_url")?;
    let config = TwilioConfig {
        base_url,
        account_sid: sms.api_key.expose().to_owned(),
        auth_token: sms.api_secret.clone(),
        from: sms.from.clone().unwrap_or_default(),
    };
    Ok(Arc::new(Twilio::new(config, Arc::clone(&foundation.clock))?))
}

fn email_provider(foundation: &Foundation) -> anyhow::Result<Arc<dyn email::Provider>> {
    let email = &foundation.settings.email;
    if email.provider() == "log" {
        let inbox = inbox(foundation, "email.provider")?;
        return Ok(Arc::new(email::InboxProvider::new(inbox, Arc::clone(&foundation.clock))));
    }
    let from = email.from.as_deref().unwrap_or_default().parse().context("email.from")?;
    let smtp = Smtp::new(SmtpConfig { url: email.smtp_url.clone(), from }).context("email.smtp_url")?;
    Ok(Arc::new(smtp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_works_on_the_named_channels_only() {
        assert_eq!(named_or_all(&[]), CHANNELS);
        assert_eq!(named_or_all(&[cli::Channel::Email]), [Channel::Email]);
        assert_eq!(named_or_all(&[cli::Channel::Sms, cli::Channel::Sms]), [Channel::Sms]);
        assert_eq!(named_or_all(&[cli::Channel::Email, cli::Channel::Sms]), CHANNELS);
    }
}
