//! Opening a session: the rule of the second step, then one transaction for the user, the session, and what is said of it.

use chrono::{DateTime, Utc};
use civiclens_nats::events::{security, session, user};
use uuid::Uuid;

use super::Error;
use super::messages::{Ended, Entrant, OpenSession, Opened, Pending, SignIn, Spend};
use super::service::{Facts, Service};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::{Client, Device};
use crate::domain::device_name::device_name;
use crate::domain::entropy;
use crate::domain::second_step::{Next, Proof, next, shows_factor};
use crate::store::accounts::{Account, NewAccount};
use crate::store::sessions::NewSession;
use crate::store::{self, UnitOfWork};

/// Who enters, and how.
struct Entrance<'a> {
    account: &'a Account,
    /// What makes the account, if this does.
    made_by: Option<&'static str>,
    method: &'static str,
    amr: Vec<String>,
    shows_factor: bool,
    device: Option<&'a Device>,
    proof_id: Option<Uuid>,
    client: &'a Client,
    now: DateTime<Utc>,
}

impl Service {
    /// Finds or makes the user, spends the second factor, opens the session if nothing is missing, and says so to the audit
    /// log and to other services: one transaction.
    pub(super) async fn open(&self, request: OpenSession) -> Result<SignIn, Error> {
        let OpenSession { entrant, proven, method, token_epoch, spend, proof_id, device, client } = request;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let (account, is_new) = enter(&mut work, &entrant, method, &client, now).await?;
        if token_epoch.is_some_and(|epoch| epoch != account.token_epoch) {
            return Err(Error::Outdated);
        }
        if !account.is_active {
            let entry = Entry::by_user(Action::LoginFailed, account.id, &client);
            work.record(entry.with("method", method).with("reason", "suspended"));
            work.commit(now).await?;
            return Err(Error::Suspended);
        }
        if is_new && entrant.is_contested() {
            work.record(Entry::by_user(Action::SignupContested, account.id, &client));
            self.parts.notices.signup_contested(&mut work, &account, &client, now)?;
        }
        // Only whoever showed the right password is told.
        if proven.contains(&Proof::Password) && account.is_password_expired(now) {
            let entry = Entry::by_user(Action::LoginFailed, account.id, &client);
            work.record(entry.with("method", method).with("reason", "password_expired"));
            work.commit(now).await?;
            return Err(Error::PasswordExpired);
        }
        if let Some(spend) = spend {
            spend_factor(&mut work, &account, &spend, &client, now).await?;
        }
        let methods = match next(&self.parts.config.second_factor, account.for_second_step(), &proven) {
            Next::Session { amr } => {
                let amr = amr.into_iter().map(str::to_owned).collect();
                let entry = Entrance {
                    account: &account,
                    made_by: is_new.then(|| entrant.makes_by()),
                    method,
                    amr,
                    shows_factor: account.two_factor.is_some_and(|factor| shows_factor(factor, &proven)),
                    device: device.as_ref(),
                    proof_id,
                    client: &client,
                    now,
                };
                let (opened, ended) = self.open_in(&mut work, entry).await?;
                work.commit(now).await.map_err(Error::Unclear)?;
                self.spread(ended, &client, now);
                return Ok(SignIn::Session(Box::new(opened)));
            }
            Next::Step { methods } => methods,
            Next::Enrol => Vec::new(),
        };
        let asked = if methods.is_empty() { "enrolment".to_owned() } else { methods.join(",") };
        let entry = Entry::by_user(Action::SecondStepRequired, account.id, &client);
        work.record(entry.with("method", method).with("asked", asked));
        work.commit(now).await?;
        let Account { id: user_id, phone, preferred_language: language, token_epoch, .. } = account;
        Ok(SignIn::Pending(Pending { user_id, phone, language, proven, token_epoch, methods }))
    }

    async fn open_in(&self, work: &mut UnitOfWork, entry: Entrance<'_>) -> Result<(Opened, Ended), Error> {
        let Entrance { account, made_by, method, amr, shows_factor, device, proof_id, client, now } = entry;
        let is_new = made_by.is_some();
        let mut ended = Ended { sessions: Vec::new(), epoch: None };
        if !is_new {
            let most = self.parts.config.max_live.get(&account.role).copied().unwrap_or(1);
            ended = self.end_oldest_in(work, account.id, most.saturating_sub(1), client, now).await?;
        }
        let label = device.and_then(Device::label).or_else(|| client.user_agent.as_deref().and_then(device_name));
        let key = &self.parts.hash_key;
        let kind_hashes = Device::kind_hashes(device, label.as_deref(), key);
        // Where nobody described a device none was issued a token, and only its kind is noted.
        let device_hashes = device.map_or_else(|| kind_hashes.clone(), |device| device.issued.hashes(key));
        work.rehash_device(account.id, &kind_hashes).await?;
        work.rehash_device(account.id, &device_hashes).await?;
        let kind_hash = kind_hashes.first().copied().unwrap_or_default();
        let seed = entropy::bytes(&*self.parts.entropy)?;
        let (life, idle) = self.terms(account.role);
        // What a temporary password opened ends with it.
        let expires_at = account.password_temporary_until.map_or(now + life, |end| end.min(now + life));
        let access_until = self.access_until(account.role, expires_at, now);
        let new = NewSession {
            user_id: account.id,
            refresh_seed: seed,
            login_method: method,
            amr: &amr,
            device: label.as_deref(),
            device_hash: device_hashes.first().copied().unwrap_or(kind_hash),
            kind_hash,
            returned: device.is_some_and(|device| device.returned),
            user_agent: client.user_agent.as_deref(),
            ip: client.ip,
            expires_at,
            access_until,
            idle,
            is_staff: account.role.needs_password(),
            proof_id,
            shows_factor,
        };
        let (session_id, new_device) = work.open_session(&new, !is_new, now).await.map_err(proof_used)?;
        let facts = Facts {
            user_id: account.id,
            role: account.role,
            session_id,
            amr,
            auth_time: now,
            token_epoch: account.token_epoch,
            seed,
            generation: 0,
            access_until,
            expires_at,
            profile_completion: account.profile_completion,
            is_new_user: is_new,
            password_temporary: account.password_temporary_until.is_some(),
        };
        self.tell(work, account, &facts, (made_by, method, label, new_device), client, now)?;
        Ok((self.tokens_of(&facts, now)?, ended))
    }

    /// Says to the audit log, to other services, and to the user that a session was opened.
    fn tell(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        facts: &Facts,
        (made_by, method, device, new_device): (Option<&str>, &str, Option<String>, bool),
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let events = &self.parts.events;
        if let Some(via) = made_by {
            let event = user::RegisteredV1 {
                user_id: account.id.get(),
                role: account.role.as_str().to_owned(),
                account_created_via: via.to_owned(),
                preferred_language: account.preferred_language.as_str().to_owned(),
                registered_at: now,
            };
            work.record(Entry::by_user(Action::UserRegistered, account.id, client).with("via", via));
            work.announce(events.event(account.id, event, client, now)?);
        }
        let event = session::OpenedV1 {
            user_id: account.id.get(),
            session_id: facts.session_id.get(),
            role: account.role.as_str().to_owned(),
            login_method: method.to_owned(),
            is_new_user: facts.is_new_user,
            device: device.clone(),
            opened_at: now,
            expires_at: facts.expires_at,
        };
        let entry = Entry::by_user(Action::LoginSucceeded, account.id, client).on("session", facts.session_id);
        work.record(entry.with("method", method).with("amr", facts.amr.clone()));
        work.announce(events.event(account.id, event, client, now)?);
        if new_device {
            let event = security::NewDeviceV1 {
                user_id: account.id.get(),
                session_id: facts.session_id.get(),
                device: device.clone(),
                seen_at: now,
            };
            work.announce(events.event(account.id, event, client, now)?);
            self.parts.notices.new_device(work, account, device.as_deref(), client, now)?;
        }
        Ok(())
    }
}

/// Tells that the session's proof opened one before from everything else that may go wrong.
fn proof_used(error: store::Error) -> Error {
    match &error {
        store::Error::Refused { constraint, .. } if constraint == "sessions_proof_id_key" => Error::ProofUsed,
        _ => error.into(),
    }
}

/// Finds the user, or makes them.
async fn enter(
    work: &mut UnitOfWork,
    entrant: &Entrant,
    method: &str,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<(Account, bool), Error> {
    let language = client.language.unwrap_or_default();
    let by_phone = |phone| NewAccount {
        id: None,
        phone,
        full_name: None,
        email: None,
        password_hash: None,
        language,
        via: "otp",
        method,
    };
    match entrant {
        Entrant::User(id) => Ok((work.lock_account(*id).await?.ok_or(Error::Unauthenticated)?, false)),
        Entrant::Phone(phone) | Entrant::Contested(phone) => Ok(work.find_or_register(&by_phone(phone), now).await?),
        Entrant::Signup(phone, signup) => {
            let new = NewAccount {
                id: Some(signup.user_id),
                full_name: Some(&signup.full_name),
                email: signup.email.as_deref(),
                password_hash: Some(&signup.password_hash),
                via: "password",
                ..by_phone(phone)
            };
            Ok(work.find_or_register(&new, now).await?)
        }
    }
}

/// Spends the second factor that completes a login. What was spent before completes none.
async fn spend_factor(
    work: &mut UnitOfWork,
    account: &Account,
    spend: &Spend,
    client: &Client,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    match spend {
        Spend::TotpStep(step, secret) if work.spend_totp_step(account.id, secret, *step).await? => Ok(()),
        Spend::BackupCode(hashes) => {
            let left = work.spend_backup_code(account.id, hashes, now).await?.ok_or(Error::FactorSpent)?;
            work.record(Entry::by_user(Action::BackupCodeUsed, account.id, client).with("left", left));
            Ok(())
        }
        Spend::TotpStep(..) => Err(Error::FactorSpent),
    }
}

impl From<crate::events::Error> for Error {
    fn from(error: crate::events::Error) -> Self {
        match error {
            crate::events::Error::Entropy(error) => Self::Entropy(error),
            crate::events::Error::Json(error) => Self::Json(error),
        }
    }
}

impl Error {
    /// Whether the work may have been done all the same: the answer to its commit was lost.
    pub(crate) fn is_unclear(&self) -> bool {
        matches!(self, Self::Unclear(_) | Self::Overloaded(crate::supervision::AskError::Late))
    }
}
