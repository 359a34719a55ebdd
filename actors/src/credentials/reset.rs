//! Setting a new password with what a reset's message brought: a code with its phone, or the token of a link.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Error, Handle, Via};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::fair_queue::Requester;
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

/// For how long it is remembered with what a password was reset: longer than any code or link is good.
const REMEMBERED: chrono::Duration = chrono::Duration::hours(1);

/// The length of a link's token: 32 bytes in base64url.
const SHORTEST_TOKEN: usize = 43;

/// What a token by e-mail stands for, as Redis keeps it.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Waiting {
    /// `None` where nobody has the address: the same work is done.
    pub(super) user_id: Option<UserId>,
    /// The token epoch of the account then; another one makes the token worthless.
    pub(super) token_epoch: i32,
    pub(super) expires_at: DateTime<Utc>,
    /// Whether the password was set and it is known that nobody got the answer.
    #[serde(default)]
    pub(super) lost: bool,
}

/// What was found to permit a new password.
enum Right {
    /// A code, which is spent by now.
    Code(Box<SpentCode>),
    /// A token. It is worth nothing once a token epoch began after it, as one does with each new password.
    Token(Secret, Waiting),
}

/// A reset that was done. If nobody gets the answer, whoever comes with the same proof and the same password is answered again.
pub struct Done(Right);

impl Handle {
    /// Where a token is kept.
    fn key(&self, token: &Secret) -> String {
        let hash = hex::encode(self.parts.hash_key.hash("reset", &[token.expose()]));
        self.parts.memory.key(&["reset", &hash])
    }

    /// Where it may be kept: by the present hash key, or the one before.
    fn keys(&self, token: &Secret) -> Vec<String> {
        let hashes = self.parts.hash_key.hashes("reset", &[token.expose()]);
        hashes.iter().map(|hash| self.parts.memory.key(&["reset", &hex::encode(hash)])).collect()
    }

    pub(super) async fn keep(&self, token: &Secret, waiting: &Waiting) -> Result<(), Error> {
        let left = (waiting.expires_at - self.parts.clock.now()).to_std().unwrap_or_default();
        let mut set = redis::cmd("SET");
        set.arg(self.key(token)).arg(serde_json::to_string(waiting)?).arg("PX").arg(millis(left).max(1));
        Ok(self.parts.memory.command::<()>(&set).await?)
    }

    /// By what the database knows that the password was reset with it.
    fn proof_id(&self, right: &Right) -> Uuid {
        match right {
            Right::Code(spent) => spent.code.id,
            Right::Token(token, _) => {
                let hash = self.parts.hash_key.hash("reset_proof", &[token.expose()]);
                uuid::Builder::from_custom_bytes(hash.first_chunk().copied().unwrap_or_default()).into_uuid()
            }
        }
    }

    /// Sets a new password with what the reset's message brought: the code, with the phone it went to, or the token of a link.
    /// Ends every session of the user; none is opened. A password that is refused does not use it up, nor does a failure that is
    /// not the user's: what surely changed nothing is good again.
    pub async fn reset(
        &self,
        phone: Option<Phone>,
        token: Secret,
        new: Secret,
        client: &Client,
    ) -> Result<Done, Error> {
        let code = OtpCode::parse(token.expose()).ok();
        let (account, right) = match (phone, code) {
            (Some(phone), Some(code)) => self.find_by_code(phone, code, client).await?,
            // With a phone it is meant as a code, unless it is as long as the token of a link.
            (Some(_), None) if token.expose().trim().len() < SHORTEST_TOKEN => return Err(Error::NotACode),
            _ => self.find_by_token(token, client).await?,
        };
        let proof = self.proof_id(&right);
        let before = match &right {
            Right::Code(spent) => spent.again.map(|again| again.lost),
            Right::Token(_, waiting) => (waiting.token_epoch != account.token_epoch).then_some(waiting.lost),
        };
        if let Some(lost) = before {
            if self.parts.db.was_reset_with(proof).await? {
                return self.answer_again(&account, right, lost, new, client).await;
            }
            if matches!(right, Right::Token(..)) {
                self.refuse(Some(&account), client).await?;
                return Err(Error::TokenInvalid);
            }
        }
        let hash = match self.hash("new_password", &account, new, client).await {
            Ok(hash) => hash,
            Err(error) => {
                self.give_back(&right).await;
                return Err(error);
            }
        };
        let epoch = match &right {
            Right::Code(_) => account.token_epoch,
            Right::Token(_, waiting) => waiting.token_epoch,
        };
        match self.store(&account, (epoch, proof), &hash, client).await {
            Ok(()) => {
                if matches!(right, Right::Token(..)) {
                    self.parts.otp.discard(&account.phone, Purpose::PasswordReset, client).await;
                }
                self.parts.guard.forget_failures(&Subject::reset(&account.phone)).await;
                Ok(Done(right))
            }
            Err(error) => {
                match &error {
                    Error::Store(_) => self.give_back(&right).await,
                    // Whether it was done is found out when it is tried again.
                    Error::Unclear(_) => self.answer_was_lost(Done(right)).await,
                    _ => {}
                }
                Err(error)
            }
        }
    }

    /// The password was set with this before. If it is known that nobody got the answer, and it is the same password, that is
    /// answered; to anybody else the proof is worth nothing.
    async fn answer_again(
        &self,
        account: &Account,
        right: Right,
        lost: bool,
        new: Secret,
        client: &Client,
    ) -> Result<Done, Error> {
        let requester = Requester::account(&account.phone, client);
        if lost && self.parts.passwords.verify(new, account.password_hash.clone(), requester).await?.matches {
            return Ok(Done(right));
        }
        self.refuse(Some(account), client).await?;
        Err(Error::TokenInvalid)
    }

    /// Notes that nobody got the answer. Best effort: else another code or link is asked for.
    pub async fn answer_was_lost(&self, Done(right): Done) {
        match right {
            Right::Code(spent) => self.parts.otp.answer_was_lost(&spent.code).await,
            Right::Token(token, waiting) => {
                if let Err(error) = self.keep(&token, &Waiting { lost: true, ..waiting }).await {
                    tracing::warn!(%error, "that the answer to a reset was lost could not be noted");
                }
            }
        }
    }

    async fn store(
        &self,
        account: &Account,
        (epoch, proof): (i32, Uuid),
        hash: &str,
        client: &Client,
    ) -> Result<(), Error> {
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let locked = work.lock_account(account.id).await?.ok_or(Error::TokenInvalid)?;
        if locked.token_epoch != epoch || !locked.may_reset(now) {
            return Err(Error::TokenInvalid);
        }
        if !work.spend_reset_proof(account.id, proof, now - REMEMBERED, now).await? {
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
                self.parts.otp.restore(&spent.code).await;
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
        let mut entry = Entry::by_stranger(Action::PasswordResetFailed, client);
        entry.subject = account.map(|account| account.id);
        Ok(self.parts.audit.refused(entry).await?)
    }

    async fn find_by_token(&self, token: Secret, client: &Client) -> Result<(Account, Right), Error> {
        let now = self.parts.clock.now();
        let id = self.parts.guard.events.id(now)?.to_string();
        let address = client.limit_subject();
        let limits = [Limit { name: "login_address", subject: &address, rate: self.parts.tries_per_address }];
        self.parts.limits.take(&id, &limits).await?;
        let mut get = redis::cmd("MGET");
        let states: Vec<Option<String>> = self.parts.memory.command(get.arg(self.keys(&token))).await?;
        let state = states.into_iter().flatten().next();
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

    /// Makes a code good again. A token was not used up.
    async fn give_back(&self, right: &Right) {
        if let Right::Code(spent) = right {
            self.parts.otp.restore(&spent.code).await;
        }
    }
}
