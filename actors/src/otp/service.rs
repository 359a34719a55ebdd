//! The rules of one-time codes over Redis, and the hand-over of the message.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::envelope::Envelope;
use civiclens_nats::jobs::sms::SmsJobV1;
use civiclens_nats::publish::Publisher;
use civiclens_nats::subjects::{Channel, Subjects};
use redis::Script;
use uuid::Uuid;

use super::messages::{RequestOtp, Requested, SpentCode, VerifyOtp};
use super::{Config, Error, funnel};
use crate::domain::clock::Clock;
use crate::domain::entropy::{self, Entropy};
use crate::domain::keys::{HashKey, Sealer};
use crate::domain::limit::Budget;
use crate::domain::otp::OtpCode;
use crate::domain::phone::{Phone, PhoneError};
use crate::short_memory::{ShortMemory, script};
use crate::store::{Db, outbox};

/// How long wrong guesses are remembered after the last one.
const GUESS_MEMORY: Duration = Duration::from_hours(24);

/// What the rules work with.
#[derive(Debug)]
pub struct Parts {
    /// The rules' numbers.
    pub config: Config,
    /// Redis.
    pub memory: ShortMemory,
    /// Where jobs go.
    pub publisher: Publisher,
    /// The names of subjects.
    pub subjects: Subjects,
    /// Where jobs wait while NATS is away.
    pub db: Db,
    /// Hashes codes.
    pub hash_key: HashKey,
    /// Seals codes inside jobs.
    pub sealer: Arc<Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The service of one-time codes.
#[derive(Debug)]
pub struct Service {
    parts: Parts,
    issue: Script,
    withdraw: Script,
    verify: Script,
    restore: Script,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Service {
    /// A service of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            issue: script(include_str!("scripts/issue.lua")),
            withdraw: script(include_str!("scripts/withdraw.lua")),
            verify: script(include_str!("scripts/verify.lua")),
            restore: script(include_str!("scripts/restore.lua")),
        }
    }

    /// Refuses numbers of countries that get no codes.
    fn check_country(&self, phone: &Phone) -> Result<(), PhoneError> {
        let allowed = &self.parts.config.allowed_countries;
        match phone.country() {
            Some(country) if allowed.contains(&country) => Ok(()),
            _ => Err(PhoneError::CountryNotAllowed),
        }
    }

    fn code_key(&self, phone: &Phone) -> String {
        self.parts.memory.key(&["otp", "login", phone.as_str()])
    }

    fn mac(&self, phone: &Phone, code: &OtpCode) -> String {
        hex::encode(self.parts.hash_key.hash("otp", &["login", phone.as_str(), code.expose()]))
    }

    fn funnel_key(&self, bucket: i64) -> String {
        self.parts.memory.key(&["limit", "otp_funnel", &bucket.to_string()])
    }

    /// Issues a code and hands the message over. A code that cannot be handed over costs the phone nothing.
    pub async fn request(&self, request: RequestOtp) -> Result<Requested, Error> {
        let RequestOtp { phone, client } = request;
        self.check_country(&phone)?;
        let Parts { config, memory, .. } = &self.parts;
        let now = self.parts.clock.now();
        let code = OtpCode::generate(&*self.parts.entropy)?;
        let id = entropy::uuid_v7(now, &*self.parts.entropy)?;
        let expires_at = now + config.lifetime;
        let keys = [
            self.code_key(&phone),
            memory.key(&["limit", "otp", phone.as_str()]),
            memory.key(&["limit", "otp_address", &client.limit_subject()]),
            self.funnel_key(funnel::bucket(now)),
        ];
        let mut issue = self.issue.prepare_invoke();
        for key in &keys {
            issue.key(key);
        }
        issue
            .arg(now.timestamp_millis())
            .arg(self.mac(&phone, &code))
            .arg(expires_at.timestamp_millis())
            .arg(id.to_string())
            .arg(config.max_guesses)
            .arg(phone.prefix())
            .arg(config.per_phone.count)
            .arg(millis(config.per_phone.window))
            .arg(config.per_address.count)
            .arg(millis(config.per_address.window))
            .arg(millis(config.breaker_window + 2 * config.lifetime + Duration::from_mins(10)));
        let (granted, limit, remaining, reset): (bool, String, u32, u64) = memory.run(&issue).await?;
        let limit = if limit == "phone" { config.per_phone.count } else { config.per_address.count };
        let budget = Budget { limit, remaining, reset: Duration::from_millis(reset) };
        if !granted {
            return Err(Error::Limited(budget));
        }
        if let Err(error) = self.hand_over(id, &phone, &code, &client, now, expires_at).await {
            let mut withdraw = self.withdraw.prepare_invoke();
            for key in &keys {
                withdraw.key(key);
            }
            withdraw.arg(id.to_string()).arg(phone.prefix());
            if let Err(error) = memory.run::<()>(&withdraw).await {
                tracing::warn!(%error, "a code that was not sent could not be withdrawn");
            }
            return Err(error);
        }
        Ok(Requested {
            expires_in: config.lifetime,
            resend_after: if remaining == 0 { budget.reset } else { config.resend_after },
            budget,
            exposed_code: config.expose_codes.then_some(code),
        })
    }

    /// Puts the job on its subject; where NATS does not take it, into the outbox, under the same identity.
    async fn hand_over(
        &self,
        id: Uuid,
        phone: &Phone,
        code: &OtpCode,
        client: &crate::domain::client::Client,
        now: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Result<(), Error> {
        let place = crate::notifications::sealing_place(id, phone.as_str());
        let job = SmsJobV1 {
            to: phone.to_string(),
            template: "login_code".to_owned(),
            language: client.language.map(|language| language.as_str().to_owned()),
            sealed: Some(self.parts.sealer.seal(&place, code.expose())?),
            params: BTreeMap::new(),
            expires_at: Some(expires_at),
        };
        let subject = self.parts.subjects.notify(Channel::Sms);
        let envelope = Envelope::new(id, now, "sms", job).with_request_id(client.request_id.clone());
        let Err(error) = self.parts.publisher.publish(subject.clone(), &envelope).await else { return Ok(()) };
        tracing::warn!(%error, "NATS did not take the job: it waits in the outbox");
        let message = outbox::Message {
            id,
            key: 0,
            subject,
            payload: envelope.to_json()?,
            request_id: client.request_id.clone(),
            expires_at: Some(expires_at),
        };
        self.parts.db.enqueue(message, now).await.map_err(Error::NotHandedOver)
    }

    /// Compares and spends.
    pub async fn verify(&self, request: VerifyOtp) -> Result<SpentCode, Error> {
        let VerifyOtp { phone, code } = request;
        let Parts { config, memory, .. } = &self.parts;
        let mac = self.mac(&phone, &code);
        let mut verify = self.verify.prepare_invoke();
        verify
            .key(self.code_key(&phone))
            .key(memory.key(&["limit", "otp_guess", phone.as_str()]))
            .arg(self.parts.clock.now().timestamp_millis())
            .arg(&mac)
            .arg(config.max_account_guesses)
            .arg(millis(config.lockout))
            .arg(millis(GUESS_MEMORY));
        let mut answer: Vec<String> = memory.run(&verify).await?;
        let outcome = if answer.is_empty() { String::new() } else { answer.remove(0) };
        match outcome.as_str() {
            "spent" => Ok(SpentCode { phone, mac, record: answer }),
            "locked" => {
                let left = answer.first().and_then(|text| text.parse().ok()).unwrap_or_default();
                Err(Error::Locked(Duration::from_millis(left)))
            }
            "wrong" => Err(Error::Invalid { guessed: true }),
            _ => Err(Error::Invalid { guessed: false }),
        }
    }

    /// Puts a spent code back. Best effort: if Redis is away too, the user asks for a new code.
    pub async fn restore(&self, code: SpentCode) {
        let mut restore = self.restore.prepare_invoke();
        restore.key(self.code_key(&code.phone)).arg(self.parts.clock.now().timestamp_millis()).arg(&code.mac);
        for field in &code.record {
            restore.arg(field);
        }
        if let Err(error) = self.parts.memory.run::<()>(&restore).await {
            tracing::warn!(%error, "a spent code could not be put back");
        }
    }

    /// The blocks of numbers for which sending should pause now.
    pub async fn blocks_to_pause(&self) -> Result<HashSet<String>, Error> {
        let config = &self.parts.config;
        let mut commands = redis::pipe();
        for bucket in funnel::settled(self.parts.clock.now(), config.lifetime, config.breaker_window) {
            commands.hgetall(self.funnel_key(bucket));
        }
        let buckets: Vec<HashMap<String, i64>> = self.parts.memory.pipeline(&commands).await?;
        let mut totals = HashMap::new();
        for counters in buckets {
            funnel::add(&mut totals, counters);
        }
        Ok(config.breaker.open(&totals))
    }
}
