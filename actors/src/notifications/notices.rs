//! Security notices: what a person is told of their account, in the transaction of what happened to it.
//!
//! An e-mail goes to an address only if its owner proved it, or an administrator entered it: a notice to anybody else would
//! tell a stranger. What changes a way in is also told by SMS; what happens more often is not, since each SMS has a price.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

use super::jobs::{self, Order};
use super::templates::{Change, EmailTemplate, SmsTemplate};
use crate::domain::client::Client;
use crate::events::{Error, Events};
use crate::store::UnitOfWork;
use crate::store::accounts::Account;

/// Makes security notices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Notices {
    events: Events,
}

/// What every notice is made of.
struct Notice<'a> {
    account: &'a Account,
    client: &'a Client,
    now: DateTime<Utc>,
    params: BTreeMap<String, String>,
}

impl<'a> Notice<'a> {
    fn new(account: &'a Account, client: &'a Client, now: DateTime<Utc>) -> Self {
        let time = ("time".to_owned(), now.to_rfc3339_opts(SecondsFormat::Secs, true));
        Self { account, client, now, params: BTreeMap::from([time]) }
    }

    fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }
}

impl Notices {
    /// Makes notices with the ids and subjects of `events`.
    pub fn new(events: Events) -> Self {
        Self { events }
    }

    fn order(&self, notice: &Notice<'_>) -> Result<Order, Error> {
        Ok(Order {
            user: Some(notice.account.id),
            language: Some(notice.account.preferred_language),
            params: notice.params.clone(),
            request_id: notice.client.request_id.clone(),
            ..Order::new(self.events.id(notice.now)?, notice.now)
        })
    }

    /// Answers whether there is an address to write to.
    fn email(&self, work: &mut UnitOfWork, template: EmailTemplate, notice: &Notice<'_>) -> Result<bool, Error> {
        let Some(to) = notice.account.trusted_email() else { return Ok(false) };
        work.announce(jobs::email(self.events.subjects(), to, template, self.order(notice)?)?);
        Ok(true)
    }

    fn sms(&self, work: &mut UnitOfWork, template: SmsTemplate, notice: &Notice<'_>) -> Result<(), Error> {
        work.announce(jobs::sms(self.events.subjects(), &notice.account.phone, template, self.order(notice)?)?);
        Ok(())
    }

    /// Somebody signed in from a device that was not seen before.
    pub fn new_device(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        device: Option<&str>,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let notice = Notice::new(account, client, now)
            .with("device", device.unwrap_or("?"))
            .with("ip", client.ip.to_canonical().to_string());
        self.email(work, EmailTemplate::NewDevice, &notice).map(|_| ())
    }

    /// The password is another one.
    pub fn password_changed(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let notice = Notice::new(account, client, now);
        self.email(work, EmailTemplate::PasswordChanged, &notice)?;
        self.sms(work, SmsTemplate::PasswordChanged, &notice)
    }

    /// The second factor is.
    pub fn two_factor_changed(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        change: Change,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let notice = Notice::new(account, client, now).with("change", change.as_str());
        self.email(work, EmailTemplate::TwoFactorChanged, &notice)?;
        self.sms(work, SmsTemplate::TwoFactorChanged, &notice)
    }

    /// Several people signed up with the phone of this account, which is proven by now.
    pub fn signup_contested(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.sms(work, SmsTemplate::SignupContested, &Notice::new(account, client, now))
    }

    /// The account refuses logins for a while. By SMS only where nothing cheaper reaches its owner.
    pub fn account_locked(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        lock: Duration,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let minutes = lock.as_secs().div_ceil(60).to_string();
        let notice = Notice::new(account, client, now).with("minutes", minutes);
        if !self.email(work, EmailTemplate::AccountLocked, &notice)? {
            self.sms(work, SmsTemplate::AccountLocked, &notice)?;
        }
        Ok(())
    }

    /// A session was ended because its refresh token was used twice.
    pub fn refresh_reused(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        self.email(work, EmailTemplate::RefreshReused, &Notice::new(account, client, now)).map(|_| ())
    }
}
