//! Signing in with a phone and a password.

use super::{Entering, Error, Handle, Outcome, SignedIn};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::{Client, Device};
use crate::domain::fair_queue::Requester;
use crate::domain::password::Verdict;
use crate::domain::phone::Phone;
use crate::domain::role::Role;
use crate::domain::second_step::Proof;
use crate::domain::secret::Secret;
use crate::guard::Failure;
use crate::limits::Attempt;
use crate::sessions::{self, Entrant, OpenSession};
use crate::store::accounts::Account;

/// Where somebody signs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Portal {
    /// Where everybody may.
    #[default]
    Citizen,
    /// Where only those may who work for the government.
    Officer,
}

impl Portal {
    const fn admits(self, role: Role) -> bool {
        match self {
            Self::Citizen => true,
            Self::Officer => role.needs_password(),
        }
    }
}

/// What somebody signs in with.
#[derive(Debug)]
pub struct Credentials {
    /// The phone.
    pub phone: Phone,
    /// The password.
    pub password: Secret,
    /// Where they sign in.
    pub portal: Portal,
    /// The device, as the client describes it.
    pub device: Option<Device>,
}

impl Handle {
    /// Checks phone and password and opens a session, or asks for the second factor. An unknown phone is refused like a wrong
    /// password, and after as long.
    pub async fn with_password(&self, credentials: Credentials, client: Client) -> Result<SignedIn, Error> {
        let Credentials { phone, password, portal, device } = credentials;
        let guard = &self.parts.guard;
        let (attempt, subject) = guard.begin(&phone, device.as_ref(), "password", &client).await?;
        let budget = attempt.budget;
        let account = match self.check_password(&phone, &password, &client).await {
            Ok(Checked { account, matches: true }) if account.is_some() => account,
            Ok(Checked { account, .. }) => {
                let account = account.as_ref();
                let failure = Failure { account, method: "password", reason: "wrong_password", lock: None };
                guard.failed(attempt, failure, &client).await?;
                return Err(Error::CredentialsInvalid(budget));
            }
            Err(error) => {
                guard.passed(attempt).await;
                return Err(error);
            }
        };
        let Some(account) = account else { return Err(Error::CredentialsInvalid(budget)) };
        if !portal.admits(account.role) {
            guard.passed(attempt).await;
            let (account, method, reason) = (Some(&account), "password", "wrong_portal");
            guard.tell(Failure { account, method, reason, lock: None }, &client).await?;
            return Err(Error::WrongPortal);
        }
        let message = OpenSession {
            entrant: Entrant::User(account.id),
            proven: vec![Proof::Password],
            method: "password",
            token_epoch: Some(account.token_epoch),
            spend: None,
            proof_id: None,
            device: device.clone(),
            client: client.clone(),
        };
        let entering = Entering { subject: &subject, first: None, device: device.as_ref() };
        let outcome = match self.enter(message, &entering).await {
            // The password was changed while the old one was being verified.
            Err(Error::Sessions(sessions::Error::Outdated)) => Err(Error::CredentialsInvalid(budget)),
            outcome => outcome,
        };
        self.end(attempt, &outcome).await;
        guard.proved(&account, "password").await;
        Ok(SignedIn { budget: Some(budget.given_back()), ..outcome?.into() }.on(device))
    }

    /// Ends an attempt that was no failure: only a session forgives earlier ones.
    pub(super) async fn end(&self, attempt: Attempt, outcome: &Result<Outcome, Error>) {
        match outcome {
            Ok(Outcome::Session(_)) => self.parts.guard.succeeded(attempt).await,
            _ => self.parts.guard.passed(attempt).await,
        }
    }

    async fn check_password(&self, phone: &Phone, password: &Secret, client: &Client) -> Result<Checked, Error> {
        let account = self.parts.db.account_by_phone(phone).await?;
        let matches = self.password_matches(account.as_ref(), password, Requester::account(phone, client)).await?;
        Ok(Checked { account, matches })
    }

    /// Whether this is the password of `account`; without one it takes as long and is not. A hash of an older scheme is
    /// renewed.
    async fn password_matches(
        &self,
        account: Option<&Account>,
        password: &Secret,
        requester: Requester,
    ) -> Result<bool, Error> {
        let stored = account.and_then(Account::password_in_force);
        let verified = self.parts.passwords.verify(password.clone(), stored.clone(), requester.clone()).await?;
        let Verdict { matches, outdated } = verified;
        if let (true, true, Some(account), Some(stored)) = (matches, outdated, account, stored)
            && let Err(error) = self.renew_hash(account, password, &stored, requester).await
        {
            tracing::warn!(%error, user_id = %account.id, "a password's hash could not be renewed");
        }
        Ok(matches)
    }

    async fn renew_hash(
        &self,
        account: &Account,
        password: &Secret,
        stored: &str,
        requester: Requester,
    ) -> Result<(), Error> {
        let hash = self.parts.passwords.hash(password.clone(), requester).await?;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        if work.renew_password_hash(account.id, stored, &hash).await? {
            work.record(Entry::by_system_about(Action::PasswordRehashed, account.id));
            work.commit(now).await?;
        }
        Ok(())
    }
}

struct Checked {
    account: Option<Account>,
    matches: bool,
}
