//! The notification workers, for `serve` and for `worker`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use civiclens_actors::notifications::sms::{Delivery, InboxProvider, Parts, Provider, Twilio, TwilioConfig};
use civiclens_actors::notifications::{self};
use civiclens_nats::backoff::Backoff;
use civiclens_nats::consume::WorkerOptions;
use civiclens_nats::dead_letter::DeadLetters;
use civiclens_nats::subjects::{Channel, StreamKind};
use url::Url;

use super::foundation::Foundation;

/// Where Twilio is, unless configuration says otherwise.
const TWILIO: &str = "https://api.twilio.com/";
/// How many messages one worker hands over at once.
const CONCURRENCY: usize = 32;

/// Starts the worker of every channel there is.
pub(super) fn start_all(foundation: &Foundation) -> anyhow::Result<Vec<notifications::Handle>> {
    Ok(vec![start_sms(foundation)?])
}

fn start_sms(foundation: &Foundation) -> anyhow::Result<notifications::Handle> {
    let otp = &foundation.settings.otp;
    let delivery = Delivery::new(Parts {
        provider: sms_provider(foundation)?,
        sealer: Arc::clone(&foundation.sealer),
        db: foundation.background_db.clone(),
        clock: Arc::clone(&foundation.clock),
        webotp_domain: otp.webotp_domain.clone(),
        android_app_hash: otp.android_app_hash.clone(),
    });
    let clock = Arc::clone(&foundation.clock);
    let dead_letters = DeadLetters::new(foundation.publisher.clone(), Channel::Sms);
    let options = WorkerOptions {
        name: "sms",
        concurrency: CONCURRENCY,
        ack_wait: Duration::from_secs(30),
        max_deliver: 8,
        backoff: Backoff { base: Duration::from_secs(1), cap: Duration::from_mins(1) },
        dead_letters,
        clock: Arc::new(move || clock.now()),
        handle_timeout: Duration::from_secs(25),
        drain_timeout: Duration::from_secs(12),
    };
    let place = (foundation.subjects.stream(StreamKind::Notify), "sms".to_owned());
    Ok(notifications::Handle::start(
        foundation.jetstream.clone(),
        place,
        Arc::new(delivery),
        options,
        &foundation.background.handle(),
        &foundation.crashed,
    ))
}

fn sms_provider(foundation: &Foundation) -> anyhow::Result<Arc<dyn Provider>> {
    let sms = &foundation.settings.sms;
    if sms.provider() == "log" {
        let inbox = foundation.inbox().context("sms.provider: \"log\" is for development only")?;
        return Ok(Arc::new(InboxProvider::new(inbox, Arc::clone(&foundation.clock))));
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
