//! One job: opened, rendered, handed over.

use std::sync::Arc;

use civiclens_nats::consume::{self, Failure};
use civiclens_nats::jobs::sms::SmsJobV1;

use super::{Provider, Sms};
use crate::domain::clock::Clock;
use crate::domain::keys::Sealer;
use crate::domain::language::Language;
use crate::notifications::ProviderError;
use crate::notifications::delivery::{check_expiry, language, open, unknown_template};
use crate::notifications::templates::{Filling, Readers, SmsTemplate};
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

    /// A database that is away does not hold a code up.
    async fn language(&self, job: &SmsJobV1) -> Language {
        let chosen = self.parts.db.language_of(&job.to).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the person's language is not known now");
            None
        });
        language(chosen, job.language.as_deref())
    }

    async fn render(&self, delivery: &consume::Delivery<SmsJobV1>) -> Result<String, Failure> {
        let (envelope, job) = (&delivery.envelope, &delivery.envelope.data);
        let template = SmsTemplate::parse(&job.template).ok_or_else(|| unknown_template(&job.template))?;
        let secret = open(&self.parts.sealer, envelope.id, &job.to, job.sealed.as_deref())?;
        let filling = Filling {
            language: self.language(job).await,
            secret: secret.as_ref(),
            params: &job.params,
            created_at: envelope.time,
            expires_at: job.expires_at,
        };
        let readers = Readers {
            webotp_domain: self.parts.webotp_domain.as_deref(),
            android_app_hash: self.parts.android_app_hash.as_deref(),
        };
        Ok(template.render(&filling, readers)?)
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
        check_expiry(job.expires_at, self.parts.clock.now())?;
        let sms = Sms {
            id: delivery.envelope.id,
            to: job.to.clone(),
            text: self.render(&delivery).await?,
            created_at: delivery.envelope.time,
            expires_at: job.expires_at,
        };
        let id = self.hand_over(&sms, delivery.attempt).await?;
        tracing::info!(job = %sms.id, provider = self.parts.provider.name(), provider_id = id, "sms handed over");
        Ok(())
    }
}
