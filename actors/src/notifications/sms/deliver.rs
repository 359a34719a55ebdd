//! One job: opened, rendered, handed over.

use std::sync::Arc;

use civiclens_nats::consume::{self, Failure};
use civiclens_nats::jobs::sms::SmsJobV1;

use super::{Provider, ProviderError, Sms};
use crate::domain::clock::Clock;
use crate::domain::keys::Sealer;
use crate::domain::language::Language;
use crate::notifications::sealing_place;
use crate::notifications::templates::LoginCode;
use crate::store::Db;

/// What delivery works with.
#[derive(Debug)]
pub struct Parts {
    /// Who delivers.
    pub provider: Arc<dyn Provider>,
    /// Opens codes.
    pub sealer: Arc<Sealer>,
    /// Knows the language a person chose.
    pub db: Db,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The web site whose pages may read codes, if any.
    pub webotp_domain: Option<String>,
    /// The hash of the Android app that may read codes, if any.
    pub android_app_hash: Option<String>,
}

/// Delivers SMS jobs.
#[derive(Debug)]
pub struct Delivery {
    parts: Parts,
}

impl Delivery {
    /// A delivery of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The language the person chose; else the one their client asked for; else the default. A database that is away does
    /// not hold a code up.
    async fn language(&self, job: &SmsJobV1) -> Language {
        let chosen = self.parts.db.language_of(&job.to).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the person's language is not known now");
            None
        });
        chosen.or_else(|| job.language.as_deref().and_then(Language::parse)).unwrap_or_default()
    }

    async fn render(&self, delivery: &consume::Delivery<SmsJobV1>) -> Result<String, Failure> {
        let dead = |code: &str, reason: String| Failure::Dead { code: code.to_owned(), reason };
        let (envelope, job) = (&delivery.envelope, &delivery.envelope.data);
        if job.template != "login_code" {
            return Err(dead("unknown_template", format!("no template is called {:?}", job.template)));
        }
        let sealed = job.sealed.as_deref().ok_or_else(|| dead("bad_job", "the code is missing".to_owned()))?;
        let place = sealing_place(envelope.id, &job.to);
        let code = self.parts.sealer.open(&place, sealed).map_err(|error| dead("cannot_open", error.to_string()))?;
        let minutes = job.expires_at.map_or(5, |end| ((end - envelope.time).num_seconds() + 59) / 60);
        let text = LoginCode {
            code: code.expose(),
            minutes,
            webotp_domain: self.parts.webotp_domain.as_deref(),
            android_app_hash: self.parts.android_app_hash.as_deref(),
        };
        Ok(text.render(self.language(job).await))
    }

    /// Hands the message over, unless an earlier attempt did: a worker that died, or an answer that was lost, leaves only
    /// the provider to tell.
    async fn hand_over(&self, sms: &Sms, attempt: u64) -> Result<String, ProviderError> {
        if attempt > 1
            && let Some(id) = self.parts.provider.find(sms).await?
        {
            tracing::info!(job = %sms.id, provider_id = id, "the provider had the message already");
            return Ok(id);
        }
        self.parts.provider.send(sms).await
    }
}

impl consume::Handler for Delivery {
    type Job = SmsJobV1;

    async fn handle(&self, delivery: consume::Delivery<SmsJobV1>) -> Result<(), Failure> {
        let job = &delivery.envelope.data;
        if job.expires_at.is_some_and(|end| end <= self.parts.clock.now()) {
            return Err(Failure::Drop { reason: "the code expired before it could be sent".to_owned() });
        }
        let sms = Sms {
            id: delivery.envelope.id,
            to: job.to.clone(),
            text: self.render(&delivery).await?,
            created_at: delivery.envelope.time,
            expires_at: job.expires_at,
        };
        match self.hand_over(&sms, delivery.attempt).await {
            Ok(id) => {
                tracing::info!(job = %sms.id, provider = self.parts.provider.name(), provider_id = id, "sms handed over");
                Ok(())
            }
            Err(ProviderError::Transient { code, reason, after }) => {
                Err(Failure::Retry { reason: format!("{code}: {reason}"), after })
            }
            Err(ProviderError::Unknown { reason }) => Err(Failure::Retry { reason, after: None }),
            Err(ProviderError::Permanent { code, reason }) => Err(Failure::Dead { code, reason }),
        }
    }
}
