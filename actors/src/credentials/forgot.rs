//! A forgotten password: a code by SMS or a link by e-mail, good once, for a quarter of an hour.
//!
//! Whose phone is all that a thief would need, because their role enters with a password and they have no authenticator
//! app, is sent the link instead of the code; to the asker it looks the same.

use std::time::Duration;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::reset::Waiting;
use super::{Error, Handle};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::contact;
use crate::domain::keys::opaque_token;
use crate::domain::limit::Budget;
use crate::domain::otp::Purpose;
use crate::domain::phone::Phone;
use crate::domain::second_step::phone_may_reset;
use crate::limits::Limit;
use crate::notifications::jobs::{self, Order};
use crate::notifications::sealing_place;
use crate::notifications::templates::EmailTemplate;
use crate::store::accounts::Account;
use crate::store::outbox;

/// How long a reset can be finished, by code and by link alike.
pub const RESET_LIFETIME: Duration = Duration::from_mins(15);

/// Whose password is to be reset.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// Of the account with this phone; a code goes there.
    Phone(Phone),
    /// Of the account with this e-mail; a link goes there.
    Email(String),
}

impl Handle {
    /// Begins a reset. Answers what is left of the limit, and nothing else: there may be no such account.
    pub async fn forgot(&self, recipient: Recipient, client: &Client) -> Result<Budget, Error> {
        match recipient {
            Recipient::Phone(phone) => self.forgot_by_phone(phone, client).await,
            Recipient::Email(email) => self.forgot_by_email(&email, client).await,
        }
    }

    async fn forgot_by_phone(&self, phone: Phone, client: &Client) -> Result<Budget, Error> {
        let issued = self.parts.otp.issue(phone.clone(), Purpose::PasswordReset, client.clone()).await?;
        let budget = issued.requested.budget;
        let asked = async {
            let now = self.parts.clock.now();
            let account = self.parts.db.account_by_phone(&phone).await?.filter(|account| account.may_reset(now));
            let by_code = account.as_ref().filter(|account| phone_may_reset(account.for_second_step()));
            let by_link = account.as_ref().filter(|_| by_code.is_none());
            // For everybody, so that time does not tell one from the other.
            let link = self.link(by_link, self.parts.guard.events.id(now)?, client, now).await?;
            let code = by_code.map(|account| outbox::Message { key: account.id.get(), ..issued.message.clone() });
            let message = code.or(link);
            self.record_request(account.as_ref(), message, "phone", client).await
        };
        if let Err(error) = asked.await {
            self.parts.otp.withdraw(issued).await;
            return Err(error);
        }
        Ok(budget)
    }

    async fn forgot_by_email(&self, email: &str, client: &Client) -> Result<Budget, Error> {
        let now = self.parts.clock.now();
        let id = self.parts.guard.events.id(now)?;
        let account = self.parts.db.account_by_email(email).await?;
        // Counted by the address that was found: however it is written, it is one account's. The address itself is nobody's
        // business in Redis.
        let found = account.as_ref().and_then(|account| account.email.as_deref()).unwrap_or(email);
        let counted = hex::encode(self.parts.hash_key.hash("email", &[&contact::email_key(found)]));
        let account = account.filter(|account| account.may_reset(now));
        let own = match &account {
            Some(account) => self.parts.guard.known_device(&account.phone, client.device.as_ref()).await?,
            None => None,
        };
        let (counted, address) = match own {
            Some(own) => (format!("{counted}:{}", own.device_name()), own.as_str().to_owned()),
            None => (counted, client.limit_subject()),
        };
        let limits = [
            Limit { name: "password_reset", subject: &counted, rate: self.parts.resets },
            Limit { name: "password_reset_address", subject: &address, rate: self.parts.resets_per_address },
        ];
        let budget = self.parts.limits.take(&id.to_string(), &limits).await?;
        let asked = async {
            let message = self.link(account.as_ref(), id, client, now).await?;
            self.record_request(account.as_ref(), message, "email", client).await
        };
        if let Err(error) = asked.await {
            // What was not begun costs nothing. Best effort.
            if let Err(error) = self.parts.limits.give_back(&id.to_string(), &limits).await {
                tracing::warn!(%error, "a reset that was not begun counts as one");
            }
            return Err(error);
        }
        Ok(budget)
    }

    /// Makes a token, and the message that brings it as a link. Without an account, or an address of theirs, the same work is
    /// done and there is no message.
    async fn link(
        &self,
        account: Option<&Account>,
        id: Uuid,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Option<outbox::Message>, Error> {
        let account = account.and_then(|account| Some((account, account.trusted_email()?)));
        let token = opaque_token(&*self.parts.entropy)?;
        let expires_at = now + RESET_LIFETIME;
        let (user_id, token_epoch) = account.map(|(account, _)| (account.id, account.token_epoch)).unzip();
        let token_epoch = token_epoch.unwrap_or_default();
        self.keep(&token, &Waiting { user_id, token_epoch, expires_at, lost: false }).await?;
        let Some((account, to)) = account else { return Ok(None) };
        let order = Order {
            user: Some(account.id),
            language: Some(account.preferred_language),
            sealed: Some(self.parts.sealer.seal(&sealing_place(id, to), token.expose())?),
            expires_at: Some(expires_at),
            request_id: client.request_id.clone(),
            ..Order::new(id, now)
        };
        Ok(Some(jobs::email(self.parts.guard.events.subjects(), to, EmailTemplate::PasswordReset, order)?))
    }

    /// Writes the audit row, and the message with it if there is one to send.
    async fn record_request(
        &self,
        account: Option<&Account>,
        message: Option<outbox::Message>,
        asked_by: &str,
        client: &Client,
    ) -> Result<(), Error> {
        let mut work = self.parts.db.begin().await?;
        let mut entry = Entry::by_stranger(Action::PasswordResetRequested, client).with("asked_by", asked_by);
        entry.subject = account.map(|account| account.id);
        work.record(entry);
        if let Some(message) = message {
            work.announce(message);
        }
        Ok(work.commit(self.parts.clock.now()).await?)
    }
}
