//! A forgotten password: a code by SMS or a link by e-mail, good once, for a quarter of an hour.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Handle, about};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::keys::opaque_token;
use crate::domain::limit::Budget;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::secret::Secret;
use crate::guard::Failure;
use crate::limits::{Limit, Subject, millis};
use crate::notifications::jobs::{self, Order};
use crate::notifications::sealing_place;
use crate::notifications::templates::EmailTemplate;
use crate::otp::{self, SpentCode};
use crate::sessions::Which;
use crate::store::accounts::Account;

/// How long a link by e-mail is good.
const LIFE: Duration = Duration::from_mins(15);

/// Whose password is to be reset.
#[derive(Clone, Debug)]
pub enum Recipient {
    /// Of the account with this phone; a code goes there.
    Phone(Phone),
    /// Of the account with this e-mail; a link goes there.
    Email(String),
}

/// What a token by e-mail stands for, as Redis keeps it.
#[derive(Clone, Serialize, Deserialize)]
struct Waiting {
    /// `None` where nobody has the address: the same work is done.
    user_id: Option<UserId>,
    expires_at: DateTime<Utc>,
}

/// A right that was found, before it is spent.
enum Right {
    /// A code, spent already.
    Code(Box<SpentCode>),
    /// A token.
    Token(Secret, Waiting),
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
            let account = self.parts.db.account_by_phone(&phone).await?.filter(|account| account.is_active);
            let message = account.as_ref().map(|account| {
                let mut message = issued.message.clone();
                message.key = account.id.get();
                message
            });
            self.record_request(account.as_ref(), message, "sms", client).await
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
        // The address itself is nobody's business in Redis.
        let counted = hex::encode(self.parts.hash_key.hash("email", &[&email.to_lowercase()]));
        let address = client.limit_subject();
        let limits = [
            Limit { name: "password_reset", subject: &counted, rate: self.parts.resets },
            Limit { name: "password_reset_address", subject: &address, rate: self.parts.resets_per_address },
        ];
        let budget = self.parts.limits.take(&id.to_string(), &limits).await?;
        if let Err(error) = self.send_link(email, (id, now), client).await {
            // What could not be sent costs nothing. Best effort.
            if let Err(error) = self.parts.limits.give_back(&id.to_string(), &limits).await {
                tracing::warn!(%error, "a reset that was not begun counts as one");
            }
            return Err(error);
        }
        Ok(budget)
    }

    async fn send_link(&self, email: &str, (id, now): (Uuid, DateTime<Utc>), client: &Client) -> Result<(), Error> {
        let account = self.parts.db.account_by_email(email).await?;
        let account = account.filter(|account| account.is_active && account.trusted_email().is_some());
        let token = opaque_token(&*self.parts.entropy)?;
        let (user_id, expires_at) = (account.as_ref().map(|account| account.id), now + LIFE);
        self.keep(&token, &Waiting { user_id, expires_at }).await?;
        let message = match &account {
            None => None,
            Some(account) => {
                let to = account.trusted_email().unwrap_or_default();
                let order = Order {
                    user: Some(account.id),
                    language: Some(account.preferred_language),
                    sealed: Some(self.parts.sealer.seal(&sealing_place(id, to), token.expose())?),
                    expires_at: Some(expires_at),
                    request_id: client.request_id.clone(),
                    ..Order::new(id, now)
                };
                let subjects = self.parts.guard.events.subjects();
                Some(jobs::email(subjects, to, EmailTemplate::PasswordReset, order)?)
            }
        };
        self.record_request(account.as_ref(), message, "email", client).await
    }

    /// Writes the audit row, and the message with it if there is one to send.
    async fn record_request(
        &self,
        account: Option<&Account>,
        message: Option<crate::store::outbox::Message>,
        channel: &str,
        client: &Client,
    ) -> Result<(), Error> {
        let mut work = self.parts.db.begin().await?;
        let mut entry = Entry::by_stranger(Action::PasswordResetRequested, client).with("channel", channel);
        entry.subject = account.map(|account| account.id);
        work.record(entry);
        if let Some(message) = message {
            work.announce(message);
        }
        Ok(work.commit(self.parts.clock.now()).await?)
    }

    fn key(&self, token: &Secret) -> String {
        let hash = hex::encode(self.parts.hash_key.hash("reset", &[token.expose()]));
        self.parts.memory.key(&["reset", &hash])
    }

    async fn keep(&self, token: &Secret, waiting: &Waiting) -> Result<(), Error> {
        let left = (waiting.expires_at - self.parts.clock.now()).to_std().unwrap_or_default();
        let mut set = redis::cmd("SET");
        set.arg(self.key(token)).arg(serde_json::to_string(waiting)?).arg("PX").arg(millis(left).max(1));
        Ok(self.parts.memory.command::<()>(&set).await?)
    }

    /// Sets a new password with what the reset's message brought: the code, with the phone it went to, or the token of a link.
    /// Ends every session of the user; none is opened.
    pub async fn reset(&self, phone: Option<Phone>, token: Secret, new: Secret, client: &Client) -> Result<(), Error> {
        let code = OtpCode::parse(token.expose()).ok();
        let (account, right) = match (phone, code) {
            (Some(phone), Some(code)) => self.find_by_code(phone, code, client).await?,
            _ => self.find_by_token(token, client).await?,
        };
        let hash = async {
            self.parts.passwords.check("new_password", new.clone(), about(&account)).await?;
            Ok::<String, Error>(self.parts.passwords.hash(new.clone()).await?)
        };
        // What was found is not used up by a password that is refused. A token is still where it was; to keep it again would
        // bring back one that somebody else used meanwhile.
        let hash = match hash.await {
            Ok(hash) => hash,
            Err(error) => {
                if let Right::Code(spent) = right {
                    self.parts.otp.restore(*spent).await;
                }
                return Err(error);
            }
        };
        if let Right::Token(token, _) = &right {
            let mut delete = redis::cmd("DEL");
            let claimed: u32 = self.parts.memory.command(delete.arg(self.key(token))).await?;
            if claimed == 0 {
                return Err(Error::TokenInvalid);
            }
        }
        let outcome = self.store(&account, &hash, client).await;
        // What may have been done must not be possible again.
        if let Err(error) = &outcome
            && !matches!(error, Error::Unclear(_))
        {
            self.give_back(right).await;
        }
        outcome
    }

    async fn store(&self, account: &Account, hash: &str, client: &Client) -> Result<(), Error> {
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        work.lock_account(account.id).await?.ok_or(Error::TokenInvalid)?;
        let (_, ended) = self.store_in(&mut work, account, hash, Which::All, ("reset", client, now)).await?;
        work.commit(now).await.map_err(Error::Unclear)?;
        self.parts.sessions.service().spread(ended, client, now).await;
        Ok(())
    }

    async fn find_by_code(&self, phone: Phone, code: OtpCode, client: &Client) -> Result<(Account, Right), Error> {
        let subject = Subject::stranger(&phone);
        let spent = self.parts.otp.verify(phone.clone(), Purpose::PasswordReset, code, subject).await;
        let account = match self.parts.db.account_by_phone(&phone).await {
            Ok(account) => account.filter(|account| account.is_active),
            Err(error) => {
                if let Ok(spent) = spent {
                    self.parts.otp.restore(spent).await;
                }
                return Err(error.into());
            }
        };
        let method = "password_reset";
        match (spent, account) {
            (Ok(spent), Some(account)) => Ok((account, Right::Code(Box::new(spent)))),
            (Err(otp::Error::Invalid { guessed: true, lock }), account) => {
                let failure = Failure { account: account.as_ref(), method, reason: "wrong_code", lock };
                self.parts.guard.tell(failure, client).await?;
                Err(Error::TokenInvalid)
            }
            (Err(otp::Error::Locked(left)), account) => {
                let failure = Failure { account: account.as_ref(), method, reason: "locked", lock: None };
                self.parts.guard.tell(failure, client).await?;
                Err(otp::Error::Locked(left).into())
            }
            (Ok(_) | Err(otp::Error::Invalid { .. }), account) => {
                self.refuse(account.as_ref(), client).await?;
                Err(Error::TokenInvalid)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Records that a reset came with nothing that is good for one.
    async fn refuse(&self, account: Option<&Account>, client: &Client) -> Result<(), Error> {
        let mut work = self.parts.db.begin().await?;
        let mut entry = Entry::by_stranger(Action::PasswordResetFailed, client);
        entry.subject = account.map(|account| account.id);
        work.record(entry);
        Ok(work.commit(self.parts.clock.now()).await?)
    }

    async fn find_by_token(&self, token: Secret, client: &Client) -> Result<(Account, Right), Error> {
        let mut get = redis::cmd("GET");
        let state: Option<String> = self.parts.memory.command(get.arg(self.key(&token))).await?;
        let waiting: Option<Waiting> = state.and_then(|state| serde_json::from_str(&state).ok());
        let waiting = waiting.filter(|waiting| waiting.expires_at > self.parts.clock.now());
        if let Some(Waiting { user_id: Some(user_id), .. }) = waiting
            && let Some(account) = self.parts.db.account(user_id).await?.filter(|account| account.is_active)
            && let Some(waiting) = waiting
        {
            return Ok((account, Right::Token(token, waiting)));
        }
        self.refuse(None, client).await?;
        Err(Error::TokenInvalid)
    }

    /// Lets what was found be used again. Best effort: else another is asked for.
    async fn give_back(&self, right: Right) {
        match right {
            Right::Code(spent) => self.parts.otp.restore(*spent).await,
            Right::Token(token, waiting) => {
                if let Err(error) = self.keep(&token, &waiting).await {
                    tracing::warn!(%error, "a reset's token could not be put back");
                }
            }
        }
    }
}
