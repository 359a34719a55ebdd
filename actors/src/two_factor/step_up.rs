//! Showing the second factor again in a session, for what needs a recent proof.

use chrono::{DateTime, Utc};

use super::check::{Checked, Offered, method_of};
use super::{Error, Handle};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::principal::Principal;
use crate::domain::second_step::can_disable;
use crate::limits::Subject;
use crate::sessions::Spend;
use crate::store::accounts::Account;
use crate::store::two_factors::FactorState;

/// What its owner is told of a second factor.
#[derive(Debug)]
pub struct State {
    /// What is in force, if anything.
    pub factor: Option<FactorState>,
    /// Whether the role must have one.
    pub enforced: bool,
}

impl Handle {
    /// Checks a code of the factor in force, or a backup code: `principal` thereby proves again, at this moment, who they are.
    /// Answers the moment.
    pub async fn step_up(
        &self,
        principal: &Principal,
        method: Option<Offered>,
        code: &str,
        client: &Client,
    ) -> Result<DateTime<Utc>, Error> {
        let account = self.account(principal.user_id).await?;
        let subject = Subject::session(&account.phone, principal.session_id);
        let Checked { spend, attempt, sms } = self.check_any(&account, method, code, &subject, client).await?;
        let tried = method_of(&account, spend.as_ref());
        let outcome = self.note_proof(&account, principal, spend, client).await;
        self.end_checked((&account, tried), &outcome, attempt, sms, client).await?;
        outcome
    }

    async fn note_proof(
        &self,
        account: &Account,
        principal: &Principal,
        spend: Option<Spend>,
        client: &Client,
    ) -> Result<DateTime<Utc>, Error> {
        let now = self.parts.clock.now();
        let session = principal.session_id;
        let mut work = self.parts.db.begin().await?;
        // Another request may have replaced the factor, or turned it off.
        let locked = work.lock_account(account.id).await?.ok_or(Error::UnknownUser)?;
        if locked.two_factor != account.two_factor {
            return Err(Error::NotEnrolled);
        }
        if let Some(spend) = spend
            && !self.spend_in(&mut work, (account.id, session), spend, client, now).await?
        {
            return Err(Error::CodeInvalid);
        }
        self.parts.sessions.service().note_proof_in(&mut work, session, true, now).await?;
        work.record(Entry::by_user(Action::SecondFactorVerified, account.id, client).on("session", session));
        work.commit(now).await?;
        Ok(now)
    }

    /// What `principal` has, and must have.
    pub async fn state(&self, principal: &Principal) -> Result<State, Error> {
        let factor = self.parts.db.two_factor_state(principal.user_id).await?;
        Ok(State { factor, enforced: !can_disable(&self.parts.rules, principal.role) })
    }
}
