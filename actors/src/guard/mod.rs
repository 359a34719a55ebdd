//! The guard at every place where somebody proves who they are: admits attempts, counts failures, locks, and tells of both.
//!
//! A failure, its audit row, its events and its notice are one transaction, for an account and for none alike, so that
//! neither an answer nor its time tells who has one. Owns nothing; locks are in Redis ([`crate::limits`]). When Redis or
//! PostgreSQL is away nobody is admitted. May touch: Redis, the store.

mod error;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use civiclens_nats::events::security;

pub use self::error::Error;
use crate::domain::audit::{Action, Entry};
use crate::domain::client::{Client, Device};
use crate::domain::clock::Clock;
use crate::domain::device_token::DeviceId;
use crate::domain::failures::{Authenticator, MOST};
use crate::domain::fair_queue::Requester;
use crate::domain::keys::HashKey;
use crate::domain::phone::Phone;
use crate::domain::secret::Secret;
use crate::events::Events;
use crate::limits::{Attempt, Lockout, Refused, Subject};
use crate::notifications::notices::Notices;
use crate::passwords;
use crate::store::accounts::Account;
use crate::store::{Db, UnitOfWork};

/// What the guard works with.
#[derive(Clone, Debug)]
pub struct Guard {
    /// PostgreSQL.
    pub db: Db,
    /// Counts and locks.
    pub lockout: Lockout,
    /// Makes events.
    pub events: Events,
    /// Makes messages to those concerned.
    pub notices: Notices,
    /// Verifies passwords.
    pub passwords: passwords::Handle,
    /// Recognises devices.
    pub hash_key: HashKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// A failure to be told of.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Whose account, if there is one.
    pub account: Option<&'a Account>,
    /// How they tried: `otp`, `password`, `totp`, …
    pub method: &'static str,
    /// Why it failed: `wrong_code`, `wrong_password`, `locked`.
    pub reason: &'static str,
    /// How long the lock holds that it began, if it began one.
    pub lock: Option<Duration>,
}

impl Guard {
    /// Whose failures are counted if strangers are locked out: a device from which the account was entered before, and which
    /// sent the token it was issued. Returns `None` for any other.
    pub async fn own_subject(&self, phone: &Phone, device: Option<&Device>) -> Result<Option<Subject>, Error> {
        self.known_device(phone, device.and_then(Device::proven)).await
    }

    /// The failures of `device`, if the holder of `phone` signed in from it before.
    pub async fn known_device(&self, phone: &Phone, device: Option<&DeviceId>) -> Result<Option<Subject>, Error> {
        let Some(device) = device else { return Ok(None) };
        let known = self.db.known_device(phone, &device.hashes(&self.hash_key)).await?;
        Ok(known.map(|hash| Subject::device(phone, &hash)))
    }

    /// Admits an attempt to enter the account of `phone`. Answers it with whose failure it would be.
    pub async fn begin(
        &self,
        phone: &Phone,
        device: Option<&Device>,
        method: &'static str,
        client: &Client,
    ) -> Result<(Attempt, Subject), Error> {
        let stranger = Subject::stranger(phone);
        let refused = match self.begin_as(&stranger, client).await {
            Err(refused @ (Refused::Locked(_) | Refused::Limited(_) | Refused::AddressLimited(_))) => refused,
            outcome => return Ok((outcome?, stranger)),
        };
        // Whatever strangers did to the account's budget, a known device has its own.
        if let Some(own) = self.own_subject(phone, device).await? {
            match self.begin_as(&own, client).await {
                Err(Refused::Locked(_) | Refused::Limited(_)) => {}
                outcome => return Ok((outcome?, own)),
            }
        }
        if matches!(refused, Refused::Locked(_)) {
            let account = self.db.account_by_phone(phone).await?;
            let failure = Failure { account: account.as_ref(), method, reason: "locked", lock: None };
            self.tell(failure, client).await?;
        }
        Err(refused.into())
    }

    /// Admits an attempt of a known subject.
    pub async fn begin_as(&self, subject: &Subject, client: &Client) -> Result<Attempt, Refused> {
        let id = self.events.id(self.clock.now()).map_err(|_| Refused::NoId)?;
        self.lockout.begin(id.to_string(), subject, client).await
    }

    /// Checks the password of an account that somebody is in the middle of entering, or entered. Answers the attempt, which the
    /// caller ends with what it permits. A wrong one is a failure of `subject`.
    pub async fn check_password(
        &self,
        account: &Account,
        password: Secret,
        subject: &Subject,
        client: &Client,
    ) -> Result<Attempt, Error> {
        let attempt = self.begin_known(account, "password", subject, client).await?;
        let requester = Requester::account(&account.phone, client);
        match self.passwords.verify(password, account.password_in_force(), requester).await {
            Ok(verdict) if verdict.matches => {
                self.proved(account, "password").await;
                Ok(attempt)
            }
            Ok(_) => {
                let (budget, account) = (attempt.budget, Some(account));
                let (method, reason) = ("password", "wrong_password");
                self.failed(attempt, Failure { account, method, reason, lock: None }, client).await?;
                Err(Error::PasswordWrong(budget))
            }
            Err(error) => {
                self.passed(attempt).await;
                Err(error.into())
            }
        }
    }

    /// Admits an attempt to prove something of an account that is known by an earlier proof. That it is locked is told of.
    pub async fn begin_known(
        &self,
        account: &Account,
        method: &'static str,
        subject: &Subject,
        client: &Client,
    ) -> Result<Attempt, Error> {
        match self.begin_as(subject, client).await {
            Err(Refused::Locked(budget)) => {
                let failure = Failure { account: Some(account), method, reason: "locked", lock: None };
                self.tell_of(subject, failure, client).await?;
                Err(Refused::Locked(budget).into())
            }
            Err(refused @ Refused::AddressLimited(_)) if !subject.is_session() => {
                let own = self.known_device(&account.phone, client.device.as_ref()).await?;
                Ok(self.begin_as(&own.ok_or(refused)?, client).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    /// An attempt failed: counts it and tells of it.
    pub async fn failed(&self, attempt: Attempt, failure: Failure<'_>, client: &Client) -> Result<(), Error> {
        let in_session = attempt.in_session;
        // What may have been counted is told of, also if nobody heard whether it was.
        let lock = self.lockout.failed(attempt).await;
        let failure = Failure { lock: lock.as_ref().ok().copied().flatten(), ..failure };
        if in_session {
            self.tell_in_session(failure, client).await?;
        } else {
            self.tell(failure, client).await?;
        }
        lock.map(|_| ()).map_err(Error::from)
    }

    /// Tells of a failure that was counted with those of `subject`.
    pub async fn tell_of(&self, subject: &Subject, failure: Failure<'_>, client: &Client) -> Result<(), Error> {
        if subject.is_session() {
            self.tell_in_session(failure, client).await
        } else {
            self.tell(failure, client).await
        }
    }

    /// Tells that somebody who holds a session failed to prove again who they are. Nobody failed to log in; and if it was one
    /// too many, only this session can prove nothing for a while: the account is not locked, and nobody is told that it is.
    async fn tell_in_session(&self, failure: Failure<'_>, client: &Client) -> Result<(), Error> {
        let Failure { account, method, reason, lock } = failure;
        let Some(account) = account else { return Ok(()) };
        let now = self.clock.now();
        let mut work = self.db.begin().await?;
        self.count_in(&mut work, (Some(account), method, reason), client, now).await?;
        let action = if method == "password" { Action::PasswordRefused } else { Action::SecondFactorFailed };
        let mut entry = Entry::by_user(action, account.id, client).with("method", method).with("reason", reason);
        if let Some(lock) = lock {
            entry = entry.with("refused_for_minutes", lock.as_secs().div_ceil(60));
        }
        work.record(entry);
        self.announce_failure(&mut work, account, (method, reason), client, now)?;
        Ok(work.commit(now).await?)
    }

    fn announce_failure(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        (method, reason): (&str, &str),
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let (method, reason) = (method.to_owned(), reason.to_owned());
        let event = security::LoginFailedV1 { user_id: account.id.get(), method, reason, failed_at: now };
        work.announce(self.events.event(account.id, event, client, now)?);
        Ok(())
    }

    /// An attempt was no failure, but more is needed, or it was given up. Best effort: if Redis is away, it is a failure.
    pub async fn passed(&self, attempt: Attempt) {
        if let Err(error) = self.lockout.passed(attempt).await {
            tracing::warn!(%error, "an attempt that passed counts as a failure");
        }
    }

    /// An attempt let its owner in. Best effort as well.
    pub async fn succeeded(&self, attempt: Attempt) {
        if let Err(error) = self.lockout.succeeded(attempt).await {
            tracing::warn!(%error, "an attempt that succeeded counts as a failure");
        }
    }

    /// An authenticator of the account succeeded: it has not failed in a row any more. Writes only where there is something to
    /// forget. Best effort: what is not forgotten is forgotten the next time.
    pub async fn proved(&self, account: &Account, method: &str) {
        let succeeded = Authenticator::of_method(method).filter(|one| account.failures.remembers(*one));
        if let Some(succeeded) = succeeded
            && let Err(error) = self.db.authenticator_succeeded(account.id, succeeded).await
        {
            tracing::warn!(%error, "failures of an authenticator could not be forgotten");
        }
    }

    /// Counts a failure of an authenticator; tells of it if it was one too many. Asked for nobody, where there is no account, as
    /// well: time does not tell.
    async fn count_in(
        &self,
        work: &mut UnitOfWork,
        (account, method, reason): (Option<&Account>, &str, &str),
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let wrong = reason.starts_with("wrong_") && reason != "wrong_portal";
        let Some(failed) = Authenticator::of_method(method).filter(|_| wrong) else { return Ok(()) };
        if !work.count_failure(account.map(|account| account.id), failed).await? {
            return Ok(());
        }
        let Some(account) = account else { return Ok(()) };
        let mut entry = Entry::by_stranger(Action::AuthenticatorOff, client).with("authenticator", failed.as_str());
        entry.subject = Some(account.id);
        work.record(entry.with("failures", MOST));
        let event = security::AuthenticatorOffV1 {
            user_id: account.id.get(),
            authenticator: failed.as_str().to_owned(),
            failures: MOST,
            off_since: now,
        };
        work.announce(self.events.event(account.id, event, client, now)?);
        Ok(())
    }

    /// The owner got in by other means than an attempt: earlier failures are forgotten. Best effort.
    pub async fn forget_failures(&self, subject: &Subject) {
        if let Err(error) = self.lockout.forget(subject).await {
            tracing::warn!(%error, "failures of an account could not be forgotten");
        }
    }

    /// Tells of a failure: audit row, events, and a notice if the account is locked now.
    pub async fn tell(&self, failure: Failure<'_>, client: &Client) -> Result<(), Error> {
        let Failure { account, method, reason, lock } = failure;
        let now = self.clock.now();
        let mut work = self.db.begin().await?;
        self.count_in(&mut work, (account, method, reason), client, now).await?;
        let about = |action| {
            let mut entry = Entry::by_stranger(action, client).with("method", method);
            entry.subject = account.map(|account| account.id);
            entry
        };
        let action = if method == "password_reset" { Action::PasswordResetFailed } else { Action::LoginFailed };
        work.record(about(action).with("reason", reason));
        if let Some(lock) = lock {
            work.record(about(Action::AccountLocked).with("minutes", lock.as_secs().div_ceil(60)));
        }
        if let Some(account) = account {
            self.announce_failure(&mut work, account, (method, reason), client, now)?;
            if let Some(lock) = lock {
                let event = security::AccountLockedV1 {
                    user_id: account.id.get(),
                    reason: "too_many_attempts".to_owned(),
                    locked_at: now,
                    locked_until: now + lock,
                };
                work.announce(self.events.event(account.id, event, client, now)?);
                self.notices.account_locked(&mut work, account, lock, client, now)?;
            }
        }
        Ok(work.commit(now).await?)
    }
}
