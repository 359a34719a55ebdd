//! Twilio's Messages API (2010-04-01). It has no idempotency key, so a lost answer is settled by asking for the messages
//! sent to the number since, and comparing their text.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::{Client, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::{Provider, Sms};
use crate::domain::clock::Clock;
use crate::domain::secret::Secret;
use crate::notifications::ProviderError;

/// How to reach Twilio.
#[derive(Clone, Debug)]
pub struct TwilioConfig {
    /// The address of the API; replaceable for tests and proxies.
    pub base_url: Url,
    /// The account, `AC…`.
    pub account_sid: String,
    /// The account's token.
    pub auth_token: Secret,
    /// The sender: a number, or a messaging service `MG…`.
    pub from: String,
}

/// Twilio.
#[derive(Debug)]
pub struct Twilio {
    config: TwilioConfig,
    client: Client,
    messages: Url,
    clock: Arc<dyn Clock>,
}

#[derive(Deserialize)]
struct Message {
    sid: String,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    date_created: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    messages: Vec<Message>,
}

#[derive(Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: Option<i64>,
}

/// Codes that will be the same tomorrow: the number cannot get this message.
const PERMANENT: [i64; 10] = [21211, 21408, 21601, 21602, 21606, 21608, 21610, 21612, 21614, 21617];
/// Codes that pass although the status is 400.
const TRANSIENT: [i64; 2] = [20429, 21611];

impl Twilio {
    /// A client of Twilio. Follows no redirect, uses no proxy that the environment names, waits 3 s for a connection and
    /// 10 s for an answer.
    pub fn new(config: TwilioConfig, clock: Arc<dyn Clock>) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let mut messages = config.base_url.clone();
        if let Ok(mut path) = messages.path_segments_mut() {
            path.pop_if_empty().extend(["2010-04-01", "Accounts", &config.account_sid, "Messages.json"]);
        }
        Ok(Self { config, client, messages, clock })
    }

    async fn post(&self, sms: &Sms) -> Result<String, ProviderError> {
        let sender = if self.config.from.starts_with("MG") { "MessagingServiceSid" } else { "From" };
        let mut form = vec![("To", sms.to.clone()), (sender, self.config.from.clone()), ("Body", sms.text.clone())];
        if let Some(seconds) = validity(sms, self.clock.now()) {
            form.push(("ValidityPeriod", seconds.to_string()));
        }
        let response = self
            .client
            .post(self.messages.clone())
            .basic_auth(&self.config.account_sid, Some(self.config.auth_token.expose()))
            .form(&form)
            .send()
            .await
            .map_err(lost)?;
        if response.status() == StatusCode::CREATED || response.status() == StatusCode::OK {
            let message: Message = response.json().await.map_err(lost)?;
            return Ok(message.sid);
        }
        Err(refused(response).await)
    }

    async fn look(&self, sms: &Sms) -> Result<Option<String>, ProviderError> {
        // No filter by date: the only ones there are look at when a message was sent, which one that waits was not. The
        // newest come first, and nobody gets fifty messages between two attempts.
        let response = self
            .client
            .get(self.messages.clone())
            .basic_auth(&self.config.account_sid, Some(self.config.auth_token.expose()))
            .query(&[("To", sms.to.as_str()), ("PageSize", "50")])
            .send()
            .await
            .map_err(lost)?;
        if !response.status().is_success() {
            return Err(refused(response).await);
        }
        let page: Page = response.json().await.map_err(lost)?;
        Ok(page.messages.into_iter().find(|message| is_ours(message, sms)).map(|message| message.sid))
    }
}

/// For how many seconds from `now` the message is of use; what Twilio has not delivered by then it drops.
fn validity(sms: &Sms, now: DateTime<Utc>) -> Option<i64> {
    sms.expires_at.map(|end| (end - now).num_seconds().clamp(1, 14_400))
}

/// Whether `message` is `sms`: it says the same, has not failed, and is not older than the job (with a minute for clocks).
fn is_ours(message: &Message, sms: &Sms) -> bool {
    let created = message.date_created.as_deref().and_then(|date| DateTime::parse_from_rfc2822(date).ok());
    let recent = created.is_none_or(|date| date.with_timezone(&Utc) >= sms.created_at - chrono::Duration::minutes(1));
    let failed = matches!(message.status.as_deref(), Some("failed" | "undelivered" | "canceled"));
    message.body.as_deref().is_some_and(|body| says_the_same(body, &sms.text)) && recent && !failed
}

/// Whether two texts carry the same code, or are the same. The code decides where there is one: an attempt that could not
/// look the person's language up wrote in another one, which is still the same message.
fn says_the_same(one: &str, other: &str) -> bool {
    match (code_in(one), code_in(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The first run of six digits or more: no template has a longer number than a code.
fn code_in(text: &str) -> Option<&str> {
    text.split(|character: char| !character.is_ascii_digit()).find(|run| run.len() >= 6)
}

/// What a broken exchange means: before the request was on its way nothing was sent, afterwards nobody knows.
fn lost(error: reqwest::Error) -> ProviderError {
    // Not the URL: a look-up's holds the number.
    let (early, reason) = (error.is_connect() || error.is_builder(), error.without_url().to_string());
    if early {
        ProviderError::Transient { code: "connect".to_owned(), reason, after: None }
    } else {
        ProviderError::Unknown { reason }
    }
}

async fn refused(response: reqwest::Response) -> ProviderError {
    let status = response.status();
    let after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok())
        .map(Duration::from_secs);
    // An answer that is no JSON (a proxy's page) is judged by its status.
    let problem: Problem = response.json().await.unwrap_or_default();
    judge(status, &problem, after)
}

fn judge(status: StatusCode, problem: &Problem, after: Option<Duration>) -> ProviderError {
    let number = problem.code.unwrap_or_default();
    let code = if number == 0 { format!("http_{}", status.as_u16()) } else { format!("twilio_{number}") };
    // Not the provider's words: they repeat the number. The code says what they say.
    let reason = status.to_string();
    let passes = TRANSIENT.contains(&number)
        || status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        // Credentials are the operator's to mend; the job waits rather than dies, until its code expires.
        || status == StatusCode::UNAUTHORIZED
        || status.is_server_error();
    if passes && !PERMANENT.contains(&number) {
        ProviderError::Transient { code, reason, after }
    } else {
        ProviderError::Permanent { code, reason }
    }
}

impl Provider for Twilio {
    fn name(&self) -> &'static str {
        "twilio"
    }

    fn send<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<String, ProviderError>> {
        self.post(sms).boxed()
    }

    fn find<'a>(&'a self, sms: &'a Sms) -> BoxFuture<'a, Result<Option<String>, ProviderError>> {
        self.look(sms).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, code: i64) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
        match judge(status, &Problem { code: Some(code) }, None) {
            ProviderError::Transient { .. } => "transient",
            ProviderError::Permanent { .. } => "permanent",
            ProviderError::Unknown { .. } => "unknown",
        }
    }

    #[test]
    fn answers_are_judged_by_code_and_status() {
        for code in PERMANENT {
            assert_eq!(kind(400, code), "permanent", "{code}");
        }
        assert_eq!(kind(400, 21611), "transient");
        assert_eq!(kind(429, 20429), "transient");
        assert_eq!(kind(503, 0), "transient");
        assert_eq!(kind(401, 20003), "transient");
        assert_eq!(kind(404, 20404), "permanent");
    }

    #[test]
    fn a_message_is_ours_by_text_and_time() {
        let created_at = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let sms = sms("x", created_at);
        let message = |body: &str, status: &str, shift: i64| Message {
            sid: "SM1".into(),
            body: Some(body.into()),
            status: Some(status.into()),
            date_created: Some((created_at + chrono::Duration::seconds(shift)).to_rfc2822()),
        };
        assert!(is_ours(&message("x", "queued", 1), &sms));
        assert!(!is_ours(&message("y", "queued", 1), &sms));
        assert!(!is_ours(&message("x", "failed", 1), &sms));
        assert!(!is_ours(&message("x", "sent", -3600), &sms));
    }

    fn sms(text: &str, created_at: DateTime<Utc>) -> Sms {
        Sms { id: uuid::Uuid::nil(), to: "+919876543210".into(), text: text.into(), created_at, expires_at: None }
    }

    #[test]
    fn a_message_is_ours_in_whatever_language_it_was_written() {
        let texts = |code| {
            let last = format!("FA+9qCX9VSu\n\n@a.example #{code}");
            [format!("{code} is your CivicLens code.\n{last}"), format!("{code} आपका CivicLens कोड है।\n{last}")]
        };
        let ([english, hindi], [another, _]) = (texts("012345"), texts("012346"));
        assert!(says_the_same(&english, &hindi));
        assert!(!says_the_same(&english, &another));
        assert!(!says_the_same("Your role has changed.", "Your password has changed."));
    }

    #[test]
    fn a_late_message_is_valid_for_what_remains() {
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let expiring = |after| Sms { expires_at: Some(now + after), ..sms("x", now - chrono::Duration::minutes(4)) };
        assert_eq!(validity(&expiring(chrono::Duration::minutes(1)), now), Some(60));
        assert_eq!(validity(&expiring(chrono::Duration::minutes(-1)), now), Some(1));
        assert_eq!(validity(&sms("x", now), now), None);
    }
}
