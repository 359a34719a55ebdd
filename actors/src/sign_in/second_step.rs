//! The second step: what was proven is kept under the hash of a token, and the next proof is checked against it.

mod again;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Entering, Error, Handle, Outcome, SecondStep, SignedIn};
use crate::domain::client::{Client, Device};
use crate::domain::device_token::DeviceId;
use crate::domain::entropy;
use crate::domain::keys::opaque_token;
use crate::domain::language::Language;
use crate::domain::otp::Purpose;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::second_step::{Method, Proof};
use crate::domain::secret::Secret;
use crate::guard::{self, Failure};
use crate::limits::{Attempt, Subject};
use crate::otp::{self, SpentCode};
use crate::sessions::{self, Entrant, OpenSession, Pending, Spend};
use crate::store::accounts::Account;
use crate::two_factor::{Enrolment, Offered};

/// How long a second step may take.
const LIFE: Duration = Duration::from_mins(5);

/// A login that waits for its next step, as Redis keeps it.
#[derive(Clone, Serialize, Deserialize)]
struct Waiting {
    /// What the session is opened with that comes of it: there is one.
    proof_id: Uuid,
    user_id: UserId,
    phone: String,
    language: Language,
    proven: Vec<String>,
    methods: Vec<String>,
    /// The token epoch of the account in which that was proven.
    token_epoch: i32,
    subject: String,
    /// The device that was issued a token, and whether it sent it.
    device_issued: Option<(String, bool)>,
    device_id: Option<String>,
    device_name: Option<String>,
    expires_at: DateTime<Utc>,
    /// Set once the last step was passed: the token is kept, so that who lost the answer can ask again.
    #[serde(default)]
    done: Option<DoneStep>,
}

/// A last step that was passed.
#[derive(Clone, Serialize, Deserialize)]
struct DoneStep {
    /// The keyed hash of what passed it.
    code: String,
    /// Whether it is known that nobody got the answer.
    lost: bool,
}

/// The last step of a login. If nobody gets the answer, whoever comes with the same token and code is answered again.
#[derive(Debug)]
pub struct StepRef(Secret);

impl Waiting {
    fn enrols(&self) -> bool {
        self.methods.is_empty()
    }

    fn phone(&self) -> Phone {
        Phone::from_stored(self.phone.clone())
    }

    fn subject(&self) -> Subject {
        Subject::from_kept(self.subject.clone())
    }

    /// The client that goes on, on the device that the login began on.
    fn client(&self, client: &Client) -> Client {
        let began_on = self.device().and_then(|device| device.proven().cloned());
        Client { device: client.device.clone().or(began_on), ..client.clone() }
    }

    fn device(&self) -> Option<Device> {
        let (issued, returned) = self.device_issued.clone()?;
        let (id, name) = (self.device_id.clone(), self.device_name.clone());
        Some(Device { issued: DeviceId::from_kept(issued), returned, id, name })
    }

    /// What was proven so far, and `more`.
    fn proven(&self, more: Proof) -> Vec<Proof> {
        self.proven.iter().filter_map(|name| Proof::parse(name)).chain([more]).collect()
    }

    /// How the session that comes of it is said to have been entered: by its first step.
    fn method(&self) -> &'static str {
        if self.proven.first().is_some_and(|name| name == Proof::Otp.as_str()) { "otp" } else { "password" }
    }
}

/// The next step of a login, as it is answered. Without methods a second factor must be set up.
fn step(mfa_token: Secret, methods: Vec<&'static str>, expires_in: Duration) -> Outcome {
    if methods.is_empty() {
        let methods = Method::ALL.map(Method::as_str).to_vec();
        return Outcome::Enrolment(SecondStep { mfa_token, methods, expires_in });
    }
    Outcome::SecondStep(SecondStep { mfa_token, methods, expires_in })
}

/// A proof that is right, and what ends with its use.
struct Proven {
    proof: Proof,
    spend: Option<Spend>,
    attempt: Option<Attempt>,
    sms: Option<SpentCode>,
}

impl Handle {
    /// Where the step of a token is kept.
    fn mfa_key(&self, token: &Secret) -> String {
        let hash = hex::encode(self.parts.hash_key.hash("mfa", &[token.expose()]));
        self.parts.memory.key(&["mfa", &hash])
    }

    /// Where it may be kept: by the present hash key, or the one before.
    fn mfa_keys(&self, token: &Secret) -> Vec<String> {
        let hashes = self.parts.hash_key.hashes("mfa", &[token.expose()]);
        hashes.iter().map(|hash| self.parts.memory.key(&["mfa", &hex::encode(hash)])).collect()
    }

    /// Keeps what was proven so far, and answers the token that goes on with it.
    pub(super) async fn keep_pending(&self, pending: Pending, entering: &Entering<'_>) -> Result<Outcome, Error> {
        let Pending { user_id, phone, language, proven, token_epoch, methods } = pending;
        let token = match entering.first {
            Some(code) => self.first_step_token(code),
            None => opaque_token(&*self.parts.entropy)?,
        };
        let waiting = Waiting {
            proof_id: entropy::uuid_v7(self.parts.clock.now(), &*self.parts.entropy)?,
            user_id,
            phone: phone.to_string(),
            language,
            proven: proven.iter().map(|proof| proof.as_str().to_owned()).collect(),
            methods: methods.iter().map(|method| (*method).to_owned()).collect(),
            token_epoch,
            subject: entering.subject.as_str().to_owned(),
            device_issued: entering.device.map(|device| (device.issued.as_str().to_owned(), device.returned)),
            device_id: entering.device.and_then(|device| device.id.clone()),
            device_name: entering.device.and_then(|device| device.name.clone()),
            expires_at: self.parts.clock.now() + LIFE,
            done: None,
        };
        self.keep(&token, &waiting).await?;
        Ok(step(token, methods, LIFE))
    }

    async fn keep(&self, token: &Secret, waiting: &Waiting) -> Result<(), Error> {
        let left = (waiting.expires_at - self.parts.clock.now()).num_milliseconds().max(1);
        let mut set = redis::cmd("SET");
        set.arg(self.mfa_key(token)).arg(serde_json::to_string(waiting)?).arg("PX").arg(left);
        Ok(self.parts.memory.command::<()>(&set).await?)
    }

    /// The login that waits for its next step.
    async fn waiting(&self, token: &Secret) -> Result<Waiting, Error> {
        self.kept(token).await.and_then(|kept| if kept.done.is_none() { Ok(kept) } else { Err(Error::MfaTokenInvalid) })
    }

    /// The login that waits for its next step, or passed the last.
    async fn kept(&self, token: &Secret) -> Result<Waiting, Error> {
        let mut get = redis::cmd("MGET");
        let states: Vec<Option<String>> = self.parts.memory.command(get.arg(self.mfa_keys(token))).await?;
        let state = states.into_iter().flatten().next();
        let waiting: Option<Waiting> = state.and_then(|state| serde_json::from_str(&state).ok());
        waiting.filter(|waiting| waiting.expires_at > self.parts.clock.now()).ok_or(Error::MfaTokenInvalid)
    }

    /// Forgets a step that led to the next. Best effort: at most one session comes of it.
    async fn forget(&self, token: &Secret) {
        let mut delete = redis::cmd("DEL");
        if let Err(error) = self.parts.memory.command::<()>(delete.arg(self.mfa_keys(token))).await {
            tracing::debug!(%error, "a step that was passed stays until it expires");
        }
    }

    /// Sends the code of the second step by SMS.
    pub async fn send_second_step(&self, token: &Secret, client: &Client) -> Result<otp::Requested, Error> {
        let waiting = self.waiting(token).await?;
        if !waiting.methods.iter().any(|method| method == Offered::Sms.as_str()) {
            return Err(Error::MethodNotOffered);
        }
        let client = Client { language: Some(waiting.language), ..waiting.client(client) };
        Ok(self.parts.otp.request(waiting.phone(), Purpose::SecondFactor, client).await?)
    }

    /// Begins to set up the second factor that a login must have.
    pub async fn enrol(&self, token: &Secret, method: Method, client: &Client) -> Result<Enrolment, Error> {
        let waiting = self.waiting(token).await?;
        if !waiting.enrols() {
            return Err(Error::MfaTokenInvalid);
        }
        Ok(self.parts.two_factor.enrol_first(waiting.user_id, method, client).await?)
    }

    /// Goes on with a login: checks `code` as `method`, the first that was offered where none is named, and opens the session
    /// if nothing else is missing. A wrong code leaves the token good for another try.
    pub async fn with_second_step(
        &self,
        token: &Secret,
        method: Option<&str>,
        code: &Secret,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let waiting = self.kept(token).await?;
        let client = waiting.client(&client);
        if let Some(again) = self.last_step_again(token, &waiting, code, &client).await? {
            return Ok(again);
        }
        if waiting.enrols() {
            return self.with_enrolment(token, &waiting, code, client).await;
        }
        let offered = |name: &str| waiting.methods.iter().any(|method| method == name);
        let method = method.or_else(|| waiting.methods.first().map(String::as_str)).unwrap_or_default();
        if !offered(method) {
            return Err(Error::MethodNotOffered);
        }
        let account = self.parts.db.account(waiting.user_id).await?;
        let account =
            account.filter(|account| account.token_epoch == waiting.token_epoch).ok_or(Error::MfaTokenInvalid)?;
        let subject = waiting.subject();
        let Proven { proof, spend, attempt, sms } = match Offered::parse(method) {
            Some(offered) => {
                let checked = self.parts.two_factor.check(&account, offered, code.expose(), &subject, &client).await?;
                Proven { proof: offered.proof(), spend: checked.spend, attempt: checked.attempt, sms: checked.sms }
            }
            None => self.prove_password(&account, code, &subject, &client).await?,
        };
        let budget = attempt.as_ref().map(|attempt| attempt.budget.given_back());
        let outcome = self.complete((token, code), &waiting, (proof, spend), &client).await;
        if let (Err(Error::Sessions(error)), Some(sms)) = (&outcome, sms)
            && !error.is_unclear()
        {
            self.parts.otp.restore(&sms.code).await;
        }
        self.end_step(attempt, &outcome, &account, proof.as_str(), &client).await?;
        if outcome.is_ok() && proof != Proof::Password {
            self.parts.guard.proved(&account, proof.as_str()).await;
        }
        if let (Ok(Outcome::Session(_)), Proof::SmsCode) = (&outcome, proof) {
            self.parts.guard.forget_failures(&subject).await;
        }
        let step = Some(StepRef(token.clone()));
        Ok(SignedIn { budget, step, ..outcome?.into() }.on(waiting.device()))
    }

    /// Opens the session, of which there is one however many try at once. A token whose login could not be finished stays good.
    async fn complete(
        &self,
        (token, code): (&Secret, &Secret),
        waiting: &Waiting,
        (proof, spend): (Proof, Option<Spend>),
        client: &Client,
    ) -> Result<Outcome, Error> {
        let device = waiting.device();
        let subject = waiting.subject();
        let message = OpenSession {
            entrant: Entrant::User(waiting.user_id),
            proven: waiting.proven(proof),
            method: waiting.method(),
            token_epoch: Some(waiting.token_epoch),
            spend,
            proof_id: Some(waiting.proof_id),
            device: device.clone(),
            client: client.clone(),
        };
        let entering = Entering { subject: &subject, first: None, device: device.as_ref() };
        let outcome = match self.enter(message, &entering).await {
            Err(Error::Sessions(sessions::Error::Outdated | sessions::Error::ProofUsed)) => {
                return Err(Error::MfaTokenInvalid);
            }
            outcome => outcome,
        };
        match &outcome {
            Ok(Outcome::Session(_)) => self.keep_done(token, waiting, code, false).await,
            Ok(_) => self.forget(token).await,
            // Whether it was done is found out when it is tried again.
            Err(Error::Sessions(error)) if error.is_unclear() => self.keep_done(token, waiting, code, true).await,
            Err(_) => {}
        }
        outcome
    }

    async fn end_step(
        &self,
        attempt: Option<Attempt>,
        outcome: &Result<Outcome, Error>,
        account: &Account,
        method: &'static str,
        client: &Client,
    ) -> Result<(), Error> {
        let Some(attempt) = attempt else { return Ok(()) };
        if let Err(Error::Sessions(sessions::Error::FactorSpent)) = outcome {
            let failure = Failure { account: Some(account), method, reason: "wrong_code", lock: None };
            return Ok(self.parts.guard.failed(attempt, failure, client).await?);
        }
        self.end(attempt, outcome).await;
        Ok(())
    }

    /// The password as second step of a login that began with a code.
    async fn prove_password(
        &self,
        account: &Account,
        password: &Secret,
        subject: &Subject,
        client: &Client,
    ) -> Result<Proven, Error> {
        match self.parts.guard.check_password(account, password.clone(), subject, client).await {
            Ok(attempt) => Ok(Proven { proof: Proof::Password, spend: None, attempt: Some(attempt), sms: None }),
            Err(guard::Error::PasswordWrong(budget)) => Err(Error::CredentialsInvalid(budget)),
            Err(error) => Err(error.into()),
        }
    }

    /// Confirms the second factor that the login had to set up, and goes on with it.
    async fn with_enrolment(
        &self,
        token: &Secret,
        waiting: &Waiting,
        code: &Secret,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let (user, subject) = (waiting.user_id, waiting.subject());
        let account = self.parts.db.account(user).await?;
        if account.is_none_or(|account| account.token_epoch != waiting.token_epoch) {
            return Err(Error::MfaTokenInvalid);
        }
        let confirmed = self.parts.two_factor.confirm_first(user, code.expose(), &subject, &client).await?;
        let (method, backup_codes) = confirmed;
        let proof = match method {
            Method::Totp => Proof::Totp,
            Method::Sms => Proof::SmsCode,
        };
        let outcome = self.complete((token, code), waiting, (proof, None), &client).await?;
        if matches!(outcome, Outcome::Session(_)) {
            self.parts.guard.forget_failures(&subject).await;
        }
        let step = Some(StepRef(token.clone()));
        Ok(SignedIn { step, backup_codes, ..outcome.into() }.on(waiting.device()))
    }
}
