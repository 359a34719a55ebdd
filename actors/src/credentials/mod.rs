//! Passwords of people who have an account: changed, given again, forgotten and reset, chosen for the first time.
//!
//! A new password, the end of the sessions that rested on the old one, the audit row, the event and the notices are one
//! transaction. A reset is asked for by phone or e-mail, and the answer is the same, after the same work, whether or not
//! there is an account. Owns nothing. May touch: the store, Redis.

mod error;
mod forgot;
mod invitation;
mod reset;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use civiclens_nats::events::security;

pub use self::error::Error;
pub use self::forgot::{RESET_LIFETIME, Recipient};
pub use self::invitation::Accepted;
pub use self::reset::Done;
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::fair_queue::Requester;
use crate::domain::keys::{HashKey, Sealer};
use crate::domain::limit::Rate;
use crate::domain::password::About;
use crate::domain::principal::Principal;
use crate::domain::second_step::Change;
use crate::domain::secret::Secret;
use crate::guard::{self, Guard};
use crate::limits::{Limits, Subject};
use crate::sessions::{Ended, Opened, Which};
use crate::short_memory::ShortMemory;
use crate::store::accounts::Account;
use crate::store::{Db, UnitOfWork};
use crate::{audit, otp, passwords, sessions};

/// What this works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// PostgreSQL.
    pub db: Db,
    /// Redis.
    pub memory: ShortMemory,
    /// Codes by SMS.
    pub otp: otp::Handle,
    /// Judges, hashes and verifies.
    pub passwords: passwords::Handle,
    /// Ends and renews sessions.
    pub sessions: sessions::Handle,
    /// Admits attempts and counts failures.
    pub guard: Guard,
    /// Records refusals.
    pub audit: audit::Handle,
    /// Budgets of resets by e-mail.
    pub limits: Limits,
    /// Resets of one e-mail.
    pub resets: Rate,
    /// Resets asked for from one address.
    pub resets_per_address: Rate,
    /// Wrong tokens from one address.
    pub tries_per_address: Rate,
    /// Hashes tokens.
    pub hash_key: HashKey,
    /// Seals tokens inside jobs.
    pub sealer: Arc<Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// The door to passwords of accounts. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    parts: Arc<Parts>,
}

/// How a new password came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Via {
    Change,
    Reset,
    Invitation,
}

impl Via {
    /// The name in events, what the audit log says, and why the sessions end.
    const fn said(self) -> (&'static str, Action, &'static str) {
        match self {
            Self::Change => ("change", Action::PasswordChanged, "password_changed"),
            Self::Reset => ("reset", Action::PasswordReset, "password_reset"),
            Self::Invitation => ("invitation", Action::InvitationAccepted, "invitation_accepted"),
        }
    }
}

/// What a password must not be made of.
fn about(account: &Account) -> About {
    About { phone: Some(account.phone.clone()), full_name: account.full_name.clone(), email: account.email.clone() }
}

impl Handle {
    /// A handle of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Checks the password of `principal`, who thereby proves again, at this moment, who they are. Answers the moment.
    pub async fn verify(
        &self,
        principal: &Principal,
        password: Secret,
        client: &Client,
    ) -> Result<DateTime<Utc>, Error> {
        let account = self.parts.db.account(principal.user_id).await?.ok_or(Error::UnknownUser)?;
        self.confirm(&account, principal, password, client).await?;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        self.parts.sessions.service().note_proof_in(&mut work, principal.session_id, false, now).await?;
        let entry = Entry::by_user(Action::PasswordVerified, account.id, client);
        work.record(entry.on("session", principal.session_id));
        work.commit(now).await?;
        Ok(now)
    }

    /// Checks the password of a session's holder. A wrong one is a failure of the session alone, so that a stolen token cannot
    /// lock its owner out.
    async fn confirm(
        &self,
        account: &Account,
        principal: &Principal,
        password: Secret,
        client: &Client,
    ) -> Result<(), Error> {
        let subject = Subject::session(&account.phone, principal.session_id);
        let attempt = self.parts.guard.check_password(account, password, &subject, client).await?;
        self.parts.guard.succeeded(attempt).await;
        Ok(())
    }

    /// Changes the password of `principal`. Ends their other sessions; this one goes on with the tokens answered, or with the
    /// refresh token that it has. Older access tokens of it are worthless.
    pub async fn change(
        &self,
        principal: &Principal,
        old: Secret,
        new: Secret,
        client: &Client,
    ) -> Result<Opened, Error> {
        let account = self.parts.db.account(principal.user_id).await?.ok_or(Error::UnknownUser)?;
        if account.password_hash.is_none() {
            return Err(Error::NoPassword);
        }
        match self.confirm(&account, principal, old.clone(), client).await {
            Err(Error::Guard(guard::Error::PasswordWrong(budget))) => return Err(Error::OldPasswordWrong(budget)),
            outcome => outcome?,
        }
        if old == new {
            return Err(Error::Unchanged);
        }
        let hash = self.hash("new_password", &account, new, client).await?;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        // Another change may have come first: then the old password is no longer the one that was confirmed.
        let locked = work.lock_account(account.id).await?.ok_or(Error::UnknownUser)?;
        if locked.token_epoch != account.token_epoch || !locked.is_active {
            return Err(Error::Outdated);
        }
        let which = Which::AllBut(principal.session_id);
        let (epoch, ended) = self.store_in(&mut work, &locked, &hash, which, (Via::Change, client, now)).await?;
        let locked = Account { password_temporary_until: None, ..locked };
        let service = self.parts.sessions.service();
        let opened = service.renew_in(&mut work, &locked, epoch, (principal.session_id, Change::Password), now).await?;
        work.commit(now).await?;
        service.spread(ended, client, now);
        Ok(opened)
    }

    /// Judges a password that is given in `field`, and hashes it.
    async fn hash(
        &self,
        field: &'static str,
        account: &Account,
        new: Secret,
        client: &Client,
    ) -> Result<String, Error> {
        self.parts.passwords.check(field, new.clone(), about(account), client).await?;
        Ok(self.parts.passwords.hash(new, Requester::account(&account.phone, client)).await?)
    }

    /// Stores a new password and everything that follows from it, in one transaction. Answers the token epoch that begins with
    /// it, and what ended.
    async fn store_in(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        hash: &str,
        which: Which,
        (via, client, now): (Via, &Client, DateTime<Utc>),
    ) -> Result<(i32, Ended), Error> {
        let service = self.parts.sessions.service();
        let (name, action, reason) = via.said();
        work.set_password(account.id, hash, now).await?;
        work.forget_invitation(account.id).await?;
        let (epoch, begun) = service.begin_epoch_in(work, account.id, now).await?;
        let ended = service.end_in(work, account.id, which, reason, client, now).await?;
        work.record(Entry::by_user(action, account.id, client));
        let event = security::PasswordChangedV1 { user_id: account.id.get(), via: name.to_owned(), changed_at: now };
        work.announce(self.parts.guard.events.event(account.id, event, client, now)?);
        // Nobody is told that the first password they chose is another one.
        if via != Via::Invitation {
            self.parts.guard.notices.password_changed(work, account, client, now)?;
        }
        Ok((epoch, Ended { sessions: ended.sessions, epoch: begun.epoch }))
    }
}
