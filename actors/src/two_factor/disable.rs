//! Turning the second factor off, and going on with a session after a change of it.

use chrono::{DateTime, Utc};

use super::check::{Checked, method_of};
use super::{Change, Error, FACTOR, Handle, Leave};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::code::Coded as _;
use crate::domain::principal::{Principal, SessionId};
use crate::domain::recent_proof::Act;
use crate::domain::second_step::{self, Method, can_disable};
use crate::limits::Subject;
use crate::sessions::{Ended, Opened, Spend, Which};
use crate::store::UnitOfWork;
use crate::store::accounts::Account;

impl Handle {
    /// Turns the second factor of `principal` off: with a code of it, or with the password and a recent proof of the factor. Ends
    /// their other sessions; this one goes on with the tokens answered, which say no second factor any more.
    pub async fn disable(&self, principal: &Principal, with: Leave, client: &Client) -> Result<Opened, Error> {
        let account = self.account(principal.user_id).await?;
        if !can_disable(&self.parts.rules, account.role) {
            let entry = Entry::by_user(Action::AccessDenied, account.id, client);
            self.parts.audit.refused(entry.with("code", Error::Enforced.code().as_str())).await?;
            return Err(Error::Enforced);
        }
        let Some(method) = account.two_factor else { return Err(Error::NotEnrolled) };
        let subject = Subject::session(&account.phone, principal.session_id);
        let Checked { spend, attempt, sms } = match with {
            Leave::Password(password) => {
                let attempt = self.parts.guard.check_password(&account, password, &subject, client).await?;
                self.parts.guard.succeeded(attempt).await;
                self.parts.sessions.require_recent(principal, Act::ChangeSecondFactor).await?;
                Checked { spend: None, attempt: None, sms: None }
            }
            Leave::Code(code) => self.check_any(&account, None, &code, &subject, client).await?,
        };
        let tried = method_of(&account, spend.as_ref());
        let outcome = self.remove(&account, method, spend, principal.session_id, client).await;
        self.end_checked((&account, tried), &outcome, attempt, sms, client).await?;
        outcome
    }

    /// Removes the factor, and spends what permits it. To tell of a code that was spent before is left to the caller: it takes
    /// a connection, and who waits for one while holding another with a lock on it may wait for ever.
    async fn remove(
        &self,
        account: &Account,
        method: Method,
        spend: Option<Spend>,
        keep: SessionId,
        client: &Client,
    ) -> Result<Opened, Error> {
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let locked = work.lock_account(account.id).await?.ok_or(Error::UnknownUser)?;
        if let Some(spend) = spend
            && !self.spend_in(&mut work, (account.id, keep), spend, client, now).await?
        {
            return Err(Error::CodeInvalid);
        }
        if !work.remove_two_factor(account.id, now).await? {
            return Err(Error::NotEnrolled);
        }
        work.forget_failures(account.id, Some(FACTOR)).await?;
        let entry = Entry::by_user(Action::TwoFactorDisabled, account.id, client);
        work.record(entry.with("method", method.as_str()));
        self.tell(&mut work, account, Change::Disabled, Some(method), client, now)?;
        self.go_on(work, &locked, (keep, second_step::Change::FactorGone), client, now).await
    }

    /// Ends the user's other sessions, goes on with this one, and commits. Answers its tokens. Older access tokens of it are
    /// worthless where they would say more than is true: where the factor is gone.
    pub(super) async fn go_on(
        &self,
        mut work: UnitOfWork,
        account: &Account,
        (keep, change): (SessionId, second_step::Change),
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<Opened, Error> {
        let sessions = self.parts.sessions.service();
        let (epoch, begun) = match change {
            second_step::Change::FactorGone => {
                let (epoch, begun) = sessions.begin_epoch_in(&mut work, account.id, now).await?;
                (epoch, begun.epoch)
            }
            _ => (account.token_epoch, None),
        };
        let which = Which::AllBut(keep);
        let ended = sessions.end_in(&mut work, account.id, which, "two_factor_changed", client, now).await?;
        let opened = sessions.renew_in(&mut work, account, epoch, (keep, change), now).await?;
        work.commit(now).await?;
        sessions.spread(Ended { sessions: ended.sessions, epoch: begun }, client, now);
        Ok(opened)
    }
}
