//! The rules of one-time codes over Redis, and the hand-over of the message.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::envelope::Envelope;
use civiclens_nats::jobs::sms::SmsJobV1;
use civiclens_nats::publish::Publisher;
use civiclens_nats::subjects::{Channel, Subjects};
use redis::Script;
use uuid::Uuid;

use super::breaker::Breaker;
use super::messages::{Again, CodeRef, Issued, RequestOtp, Requested, SpentCode, VerifyOtp, Withdrawal};
use super::{Config, Error};
use crate::domain::breaker;
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::entropy::{self, Entropy};
use crate::domain::keys::{HashKey, Sealer};
use crate::domain::limit::{Budget, Rate};
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::{Phone, PhoneError};
use crate::limits::{LOCK_LUA, LOG_LUA, Lockout, Subject, millis};
use crate::settlement::TakeBack;
use crate::short_memory::{ShortMemory, Unavailable, script};
use crate::store::{Db, outbox};

/// The function that counts codes for the breaker, for scripts that need it.
const COUNT_LUA: &str = include_str!("scripts/count.lua");

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
    /// Counts wrong codes.
    pub lockout: Lockout,
    /// Hashes codes.
    pub hash_key: HashKey,
    /// Hashes devices.
    pub device_key: HashKey,
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
    breaker: Breaker,
    issue: Script,
    withdraw: Script,
    verify: Script,
    restore: Script,
    lost: Script,
    unspend: Script,
}

impl Service {
    /// A service of `parts`.
    pub fn new(parts: Parts) -> Self {
        let breaker = Breaker::new(parts.config.breaker.clone(), parts.memory.clone(), parts.db.clone());
        Self {
            parts,
            breaker,
            issue: script(&[LOG_LUA, COUNT_LUA, include_str!("scripts/issue.lua")].concat()),
            withdraw: script(&[COUNT_LUA, include_str!("scripts/withdraw.lua")].concat()),
            verify: script(&[LOG_LUA, LOCK_LUA, COUNT_LUA, include_str!("scripts/verify.lua")].concat()),
            restore: script(&[COUNT_LUA, include_str!("scripts/restore.lua")].concat()),
            lost: script(include_str!("scripts/lost.lua")),
            unspend: script(&[COUNT_LUA, include_str!("scripts/unspend.lua")].concat()),
        }
    }

    /// Refuses numbers of countries that get no codes, and numbers that receive no SMS.
    fn check_country(&self, phone: &Phone) -> Result<(), PhoneError> {
        let allowed = &self.parts.config.allowed_countries;
        match phone.country() {
            Some(country) if allowed.contains(&country) => phone.check_sms(),
            _ => Err(PhoneError::CountryNotAllowed),
        }
    }

    /// Where the code is kept that was asked for from `device`, which sent our token; without one, the code of strangers. What
    /// one asks for makes no code worthless that another asked for.
    fn code_key(&self, phone: &Phone, purpose: Purpose, device: Option<&str>) -> String {
        let mut parts = vec!["otp", purpose.as_str(), phone.as_str()];
        parts.extend(device);
        self.parts.memory.key(&parts)
    }

    /// What a code may be stored as: by the present key first, which is what is stored, then by the one before.
    fn macs(&self, phone: &Phone, purpose: Purpose, code: &OtpCode) -> Vec<String> {
        let hashes = self.parts.hash_key.hashes("otp", &[purpose.as_str(), phone.as_str(), code.expose()]);
        hashes.iter().map(hex::encode).collect()
    }

    fn mac(&self, phone: &Phone, purpose: Purpose, code: &OtpCode) -> String {
        self.macs(phone, purpose, code).swap_remove(0)
    }

    /// How long a code for `purpose` lives, and how many there may be for one phone and for one address.
    fn terms(&self, purpose: Purpose) -> (Duration, Rate, Rate) {
        let config = &self.parts.config;
        match purpose {
            Purpose::PasswordReset => (config.reset_lifetime, config.resets_per_phone, config.resets_per_address),
            _ => (config.lifetime, config.per_phone, config.per_address),
        }
    }

    /// Issues a code and hands the message over. A code that cannot be handed over costs the phone nothing.
    pub async fn request(&self, request: RequestOtp) -> Result<Requested, Error> {
        let issued = self.issue(request).await?;
        self.send(issued).await
    }

    /// Hands the message of a code over, or takes the code back.
    pub(super) async fn send(&self, issued: Issued) -> Result<Requested, Error> {
        if let Err(error) = self.hand_over(issued.message).await {
            self.withdraw(&issued.withdrawal).await;
            return Err(error);
        }
        Ok(issued.requested)
    }

    /// Checks the budgets, stores a code, and prepares its message.
    pub async fn issue(&self, request: RequestOtp) -> Result<Issued, Error> {
        let RequestOtp { phone, purpose, client } = request;
        self.check_country(&phone)?;
        let Parts { config, memory, .. } = &self.parts;
        let (lifetime, per_phone, per_address) = self.terms(purpose);
        let now = self.parts.clock.now();
        let code = OtpCode::generate(&*self.parts.entropy)?;
        let id = entropy::uuid_v7(now, &*self.parts.entropy)?;
        let expires_at = now + lifetime;
        let device = self.parts.device_of(&client);
        // A known device has budgets of its own, which strangers cannot use up.
        let known = self.parts.is_known(&phone, &client).await;
        let own = device.as_deref().filter(|_| known).map(|device| format!("{phone}:{device}"));
        let (path, places) = if purpose.is_open_to_strangers() {
            self.breaker.check(&phone, known, &client, now).await?;
            let bucket = breaker::bucket(now);
            let [address, network, wide] = self.breaker.origin_keys(&client);
            let funnel = self.breaker.funnel_key(bucket);
            let path = format!("{}|{}", phone.prefix(), client.limit_subject());
            (path, [bucket.to_string(), funnel, address, network, wide].join(" "))
        } else {
            Default::default()
        };
        let address_limit = format!("{}_address", purpose.limit());
        let address = own.clone().unwrap_or_else(|| client.limit_subject());
        let keys = [
            self.code_key(&phone, purpose, device.as_deref()),
            memory.key(&["limit", purpose.limit(), own.as_deref().unwrap_or(phone.as_str())]),
            memory.key(&["limit", &address_limit, &address]),
        ];
        let mut issue = self.issue.prepare_invoke();
        for key in &keys {
            issue.key(key);
        }
        issue
            .arg(now.timestamp_millis())
            .arg(self.mac(&phone, purpose, &code))
            .arg(expires_at.timestamp_millis())
            .arg(id.to_string())
            .arg(config.max_guesses)
            .arg(&path)
            .arg(per_phone.count)
            .arg(millis(per_phone.window))
            .arg(per_address.count)
            .arg(millis(per_address.window))
            .arg(millis(config.breaker.window + 2 * config.lifetime + Duration::from_mins(10)))
            .arg(&places)
            .arg(breaker::window_start(now, config.breaker.window));
        let issued: Result<(bool, String, u32, u64), Unavailable> = memory.run(&issue).await;
        let (granted, limit, remaining, reset) = issued.inspect_err(|error| {
            let (script, arguments) = (self.withdraw.clone(), vec![id.to_string(), path.clone(), places.clone()]);
            memory.settle(error, || TakeBack { script, keys: keys.to_vec(), arguments });
        })?;
        let limit = if limit == "phone" { per_phone.count } else { per_address.count };
        let budget = Budget { limit, remaining, reset: Duration::from_millis(reset) };
        if !granted {
            return Err(Error::Limited(budget));
        }
        Ok(Issued {
            requested: Requested {
                expires_in: lifetime,
                resend_after: if remaining == 0 { budget.reset } else { config.resend_after },
                budget,
                exposed_code: config.expose_codes.then(|| code.clone()),
            },
            message: self.message(id, &phone, purpose, &code, &client, (now, expires_at))?,
            withdrawal: Withdrawal { keys, id: id.to_string(), path, places },
        })
    }

    /// Takes back a code that was not sent, and what it cost.
    pub(super) async fn withdraw(&self, withdrawal: &Withdrawal) {
        let Withdrawal { keys, id, path, places } = withdrawal;
        let mut withdraw = self.withdraw.prepare_invoke();
        for key in keys {
            withdraw.key(key);
        }
        withdraw.arg(id).arg(path).arg(places);
        if let Err(error) = self.parts.memory.run::<()>(&withdraw).await {
            tracing::warn!(%error, "a code that was not sent could not be withdrawn");
        }
    }

    /// The job that sends a code, sealed.
    fn message(
        &self,
        id: Uuid,
        phone: &Phone,
        purpose: Purpose,
        code: &OtpCode,
        client: &Client,
        (now, expires_at): (DateTime<Utc>, DateTime<Utc>),
    ) -> Result<outbox::Message, Error> {
        let place = crate::notifications::sealing_place(id, phone.as_str());
        let job = SmsJobV1 {
            to: phone.to_string(),
            template: purpose.template().to_owned(),
            language: client.language.map(|language| language.as_str().to_owned()),
            sealed: Some(self.parts.sealer.seal(&place, code.expose())?),
            params: BTreeMap::new(),
            expires_at: Some(expires_at),
        };
        let envelope = Envelope::new(id, now, "sms", job).with_request_id(client.request_id.clone());
        Ok(outbox::Message {
            id,
            key: 0,
            subject: self.parts.subjects.notify(Channel::Sms),
            payload: envelope.to_text()?,
            request_id: client.request_id.clone(),
            expires_at: Some(expires_at),
        })
    }

    /// Puts the job on its subject; where NATS does not take it, into the outbox, under the same identity.
    async fn hand_over(&self, message: outbox::Message) -> Result<(), Error> {
        let body = message.payload.clone().into_bytes();
        let published =
            self.parts.publisher.publish_raw(message.subject.clone(), message.id, body, message.request_id.as_deref());
        let Err(error) = published.await else { return Ok(()) };
        tracing::warn!(%error, "NATS did not take the job: it waits in the outbox");
        self.parts.db.enqueue(message, self.parts.clock.now()).await.map_err(Error::NotHandedOver)
    }

    /// Compares and spends: with the code that was asked for from the same device, and if there is none with that of
    /// strangers. What the address did counts against neither a device's own code nor a known device.
    pub async fn verify(&self, request: VerifyOtp) -> Result<SpentCode, Error> {
        if let Some(device) = self.parts.device_of(&request.client) {
            let own = self.code_key(&request.phone, request.purpose, Some(&device));
            let mut exists = redis::cmd("EXISTS");
            if self.parts.memory.command(exists.arg(&own)).await? {
                match self.verify_at(&own, true, &request).await {
                    Err(Error::Invalid { guessed: false, .. }) => {}
                    outcome => return outcome,
                }
            }
        }
        let key = self.code_key(&request.phone, request.purpose, None);
        self.verify_at(&key, request.subject.is_device(), &request).await
    }

    async fn verify_at(&self, key: &str, exempt: bool, request: &VerifyOtp) -> Result<SpentCode, Error> {
        let VerifyOtp { phone, purpose, code, subject, client } = request;
        let (phone, purpose) = (phone.clone(), *purpose);
        let Parts { config, memory, lockout, .. } = &self.parts;
        let now = self.parts.clock.now();
        let (address, mut rate) = lockout.address_log(client);
        if exempt {
            rate.count = u32::MAX;
        }
        let macs = self.macs(&phone, purpose, code);
        let id = entropy::uuid_v7(now, &*self.parts.entropy)?.to_string();
        let mut verify = self.verify.prepare_invoke();
        verify.key(key).key(lockout.lock_key(subject)).key(address).arg(now.timestamp_millis()).arg(macs.first());
        lockout.add_rule(&mut verify);
        let whose = if *subject == Subject::stranger(&phone) {
            "left".to_owned()
        } else {
            format!("left:{}", subject.as_str())
        };
        verify
            .arg(whose)
            .arg(config.max_guesses)
            .arg(&id)
            .arg(rate.count)
            .arg(millis(rate.window))
            .arg(u8::from(purpose.may_be_answered_again()))
            .arg(macs.get(1).map_or("", String::as_str));
        let mut answered = memory.run::<Vec<String>>(&verify).await;
        if answered.as_ref().is_err_and(Unavailable::is_unclear) {
            // The same try: it is not spent, and not counted, for a second time.
            answered = memory.run(&verify).await;
        }
        let mut answer = VecDeque::from(answered.inspect_err(|error| {
            let (script, keys) = (self.unspend.clone(), vec![key.to_owned()]);
            memory.settle(error, || TakeBack { script, keys, arguments: vec![id.clone()] });
        })?);
        let outcome = answer.pop_front().unwrap_or_default();
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or_default();
        match outcome.as_str() {
            "spent" | "again" => {
                let failed = u32::try_from(number(answer.pop_front())).unwrap_or(u32::MAX);
                let id = answer.pop_front().and_then(|id| Uuid::parse_str(&id).ok());
                let id = id.ok_or(Error::Invalid { guessed: false, lock: None })?;
                let lost = answer.pop_front().is_some_and(|lost| !lost.is_empty());
                let again = (outcome == "again").then_some(Again { lost });
                Ok(SpentCode { phone, failed, again, code: CodeRef { id, key: key.to_owned() } })
            }
            "locked" => Err(Error::Locked(Duration::from_millis(number(answer.pop_front())))),
            "address" => {
                let reset = Duration::from_millis(number(answer.pop_front()));
                Err(Error::AddressLimited(Budget { limit: rate.count, remaining: 0, reset }))
            }
            "wrong" => {
                let lock = Some(Duration::from_millis(number(answer.pop_front()))).filter(|lock| !lock.is_zero());
                Err(Error::Invalid { guessed: true, lock })
            }
            _ => Err(Error::Invalid { guessed: false, lock: None }),
        }
    }

    /// Makes the live codes of `phone` for `purpose` worthless that `client` or a stranger asked for. Best effort: they expire.
    pub async fn discard(&self, phone: &Phone, purpose: Purpose, client: &Client) {
        let mut delete = redis::cmd("DEL");
        delete.arg(self.code_key(phone, purpose, None));
        if let Some(device) = self.parts.device_of(client) {
            delete.arg(self.code_key(phone, purpose, Some(&device)));
        }
        if let Err(error) = self.parts.memory.command::<()>(&delete).await {
            tracing::debug!(%error, "a code that is not needed any more stays until it expires");
        }
    }

    /// Makes a spent code good again. Best effort: if Redis is away too, what is not known to have led to anything is good anyway.
    pub async fn restore(&self, code: &CodeRef) {
        self.mark(&self.restore, code).await;
    }

    /// Notes that nobody got the answer to a spent code.
    pub async fn answer_was_lost(&self, code: &CodeRef) {
        self.mark(&self.lost, code).await;
    }

    async fn mark(&self, script: &Script, code: &CodeRef) {
        let mut mark = script.prepare_invoke();
        mark.key(&code.key).arg(code.id.to_string());
        if let Err(error) = self.parts.memory.run::<()>(&mark).await {
            tracing::warn!(%error, "what became of a spent code could not be noted");
        }
    }

    /// Judges the codes that nobody entered, and writes down what was decided.
    pub(super) async fn judge(&self) {
        let now = self.parts.clock.now();
        if let Err(error) = self.breaker.judge(self.parts.config.lifetime, now).await {
            // Without Redis nothing is sent anyway; the last judgement stands.
            tracing::debug!(%error, "what became of the codes could not be read");
        }
        self.write_decisions().await;
    }

    /// Writes down what the breaker decided.
    pub(super) async fn write_decisions(&self) {
        self.breaker.write_decisions(self.parts.clock.now()).await;
    }
}
