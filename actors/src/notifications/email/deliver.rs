//! One job: opened, rendered, handed over.

use std::sync::Arc;

use civiclens_nats::consume::{self, Failure};
use civiclens_nats::jobs::email::EmailJobV1;
use lettre::Address;

use super::{Email, Provider};
use crate::domain::clock::Clock;
use crate::domain::keys::Sealer;
use crate::notifications::delivery::{check_expiry, dead, language, open, unknown_template};
use crate::notifications::templates::{EmailTemplate, Filling, Letter, Pages};

/// What delivery works with.
#[derive(Debug)]
pub struct Parts {
    /// Who delivers.
    pub provider: Arc<dyn Provider>,
    /// Opens tokens.
    pub sealer: Arc<Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where links lead.
    pub pages: Pages,
}

/// Delivers e-mail jobs.
#[derive(Debug)]
pub struct Delivery {
    parts: Parts,
}

impl Delivery {
    /// A delivery of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    fn render(&self, delivery: &consume::Delivery<EmailJobV1>) -> Result<Letter, Failure> {
        let (envelope, job) = (&delivery.envelope, &delivery.envelope.data);
        let template = EmailTemplate::parse(&job.template).ok_or_else(|| unknown_template(&job.template))?;
        let secret = open(&self.parts.sealer, envelope.id, &job.to, job.sealed.as_deref())?;
        let filling = Filling {
            language: language(None, job.language.as_deref()),
            secret: secret.as_ref(),
            params: &job.params,
            created_at: envelope.time,
            expires_at: job.expires_at,
        };
        Ok(template.render(&filling, &self.parts.pages)?)
    }
}

impl consume::Handler for Delivery {
    type Job = EmailJobV1;

    async fn handle(&self, delivery: consume::Delivery<EmailJobV1>) -> Result<(), Failure> {
        let job = &delivery.envelope.data;
        check_expiry(job.expires_at, self.parts.clock.now())?;
        // Not the parser's words: they may repeat the address.
        let to: Address =
            job.to.parse().map_err(|_| dead("bad_address", "the receiver's address cannot be read".to_owned()))?;
        let (id, created_at) = (delivery.envelope.id, delivery.envelope.time);
        let email = Email { id, to, letter: self.render(&delivery)?, created_at };
        let provider_id = self.parts.provider.send(&email).await?;
        tracing::info!(job = %id, provider = self.parts.provider.name(), provider_id, "e-mail handed over");
        Ok(())
    }
}
