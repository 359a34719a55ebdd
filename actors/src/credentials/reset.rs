//! Setting a new password with what a reset's message brought: a code with its phone, or the token of a link.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, Handle, Via};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::second_step::phone_may_reset;
use crate::domain::secret::Secret;
use crate::guard::Failure;
use crate::limits::{Limit, Subject, millis};
use crate::otp::{self, SpentCode};
use crate::sessions::Which;
use crate::store::accounts::Account;

/// What a token by e-mail stands for, as Redis keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// `None` where nobody has the address: the same work is done.
    pub(super) user_id: Option<UserId>,
    /// The token epoch of the account then; another one makes the token worthless.
    pub(super) token_epoch: i32,
    pub(super) expires_at: DateTime<Utc>,
}

/// What was found to permit a new password.
enum Right {
    /// A code, which is spent by now.
    Code(Box<SpentCode>),
    /// A token, which is still to be claimed.
    Token(Secret, Waiting),
}

impl Handle {
    fn key(&self, token: &Secret) -> String {
        let hash = hex::encode(self.parts.hash_key.hash("reset", &[token.expose()]));
        self.parts.memory.key(&["reset", &hash])
    }

    pub(super) async fn keep(&self, token: &Secret, waiting: &Waiting) -> Result<(), Error> {
        let left = (waiting.expires_at - self.parts.clock.now()).to_std().unwrap_or_default();
        let mut set = redis::cmd("SET");
        set.arg(self.key(token)).arg(serde_json::to_string(waiting)?).arg("PX").arg(millis(left).max(1));
        Ok(self.parts.memory.command::<()>(&set).await?)
    }

    /// Takes the token away. Of several who try at once, one succeeds.
    async fn claim(&self, token: &Secret) -> Result<(), Error> {
        let mut delete = redis::cmd("DEL");
        let claimed: u32 = self.parts.memory.command(delete.arg(self.key(token))).await?;
        if claimed == 1 { Ok(()) } else { Err(Error::TokenInvalid) }
    }

    /// Sets a new password with what the reset's message brought: the code, with the phone it went to, or the token of a link.
    /// Ends every session of the user; none is opened. A password that is refused does not use it up.
    pub async fn reset(&self, phone: Option<Phone>, token: Secret, new: Secret, client: &Client) -> Result<(), Error> {
        let code = OtpCode::parse(token.expose()).ok();
        let (account, right) = match (phone, code) {
            (Some(phone), Some(code)) => self.find_by_code(phone, code, client).await?,
            _ => self.find_by_token(token, client).await?,
        };
        let hash = match self.hash("new_password", &account, new, client).await {
            Ok(hash) => hash,
            Err(error) => {
                // A token was not claimed yet; a code was spent.
                if let Right::Code(spent) = right {
                    self.parts.otp.restore(*spent).await;
                }
                return Err(error);
            }
        };
        if let Right::Token(token, _) = &right {
            self.claim(token).await?;
        }
        let epoch = match &right {
            Right::Code(_) => account.token_epoch,
            Right::Token(_, waiting) => waiting.token_epoch,
        };
        let outcome = self.store(&account, epoch, &hash, client).await;
        match &outcome {
            Ok(()) => {
                self.parts.otp.discard(&account.phone, Purpose::PasswordReset).await;
                self.parts.guard.forget_failures(&Subject::reset(&account.phone)).await;
            }
            // What may have been done must not be possible again; what went out of date does not become good again.
            Err(Error::Store(_)) => self.give_back(right).await,
            Err(_) => {}
        }
        outcome
    }

    async fn store(&self, account: &Account, epoch: i32, hash: &str, client: &Client) -> Result<(), Error> {
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let locked = work.lock_account(account.id).await?.ok_or(Error::TokenInvalid)?;
        if locked.token_epoch != epoch || !locked.may_reset(now) {
            return Err(Error::TokenInvalid);
        }
        let (_, ended) = self.store_in(&mut work, &locked, hash, Which::All, (Via::Reset, client, now)).await?;
        work.commit(now).await.map_err(Error::Unclear)?;
        self.parts.sessions.service().spread(ended, client, now);
        Ok(())
    }

    async fn find_by_code(&self, phone: Phone, code: OtpCode, client: &Client) -> Result<(Account, Right), Error> {
        // A count of its own: whom strangers locked out of logging in can still reset the password.
        let subject = Subject::reset(&phone);
        let error = match self.parts.otp.verify(phone.clone(), Purpose::PasswordReset, code, subject, client).await {
            Ok(spent) => return self.account_of(&phone, spent, client).await,
            Err(error) => error,
        };
        let account = self.resettable(&phone).await?;
        let reason = match &error {
            otp::Error::Invalid { guessed: true, .. } => "wrong_code",
            otp::Error::Invalid { .. } => {
                self.refuse(account.as_ref(), client).await?;
                return Err(Error::TokenInvalid);
            }
            otp::Error::Locked(_) => "locked",
            _ => return Err(error.into()),
        };
        // That no more codes are taken for a while locks nobody out: the account is not said to be locked.
        let failure = Failure { account: account.as_ref(), method: "password_reset", reason, lock: None };
        self.parts.guard.tell(failure, client).await?;
        Err(if reason == "locked" { error.into() } else { Error::TokenInvalid })
    }

    /// The account that a spent code lets set a new password.
    async fn account_of(&self, phone: &Phone, spent: SpentCode, client: &Client) -> Result<(Account, Right), Error> {
        match self.resettable(phone).await {
            Ok(Some(account)) if phone_may_reset(account.for_second_step()) => {
                Ok((account, Right::Code(Box::new(spent))))
            }
            Ok(account) => {
                self.refuse(account.as_ref(), client).await?;
                Err(Error::TokenInvalid)
            }
            Err(error) => {
                self.parts.otp.restore(spent).await;
                Err(error)
            }
        }
    }

    /// The account with this phone, if its password may be reset.
    async fn resettable(&self, phone: &Phone) -> Result<Option<Account>, Error> {
        let now = self.parts.clock.now();
        Ok(self.parts.db.account_by_phone(phone).await?.filter(|account| account.may_reset(now)))
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
        let now = self.parts.clock.now();
        let id = self.parts.guard.events.id(now)?.to_string();
        let address = client.limit_subject();
        let limits = [Limit { name: "login_address", subject: &address, rate: self.parts.tries_per_address }];
        self.parts.limits.take(&id, &limits).await?;
        let mut get = redis::cmd("GET");
        let state: Option<String> = self.parts.memory.command(get.arg(self.key(&token))).await?;
        let waiting: Option<Waiting> = state.and_then(|state| serde_json::from_str(&state).ok());
        let waiting = waiting.filter(|waiting| waiting.expires_at > now);
        if let Some(waiting @ Waiting { user_id: Some(user_id), .. }) = waiting
            && let Some(account) = self.parts.db.account(user_id).await?.filter(|account| account.may_reset(now))
        {
            self.parts.limits.give_back(&id, &limits).await?;
            return Ok((account, Right::Token(token, waiting)));
        }
        self.refuse(None, client).await?;
        Err(Error::TokenInvalid)
    }

    /// Lets what was used up be used again. Best effort: else another is asked for.
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
