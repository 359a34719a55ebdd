//! Resealing: seals under the present sealing key what lies in PostgreSQL under the previous one, on the word of an operator.
//!
//! Owns nothing. Bound: `BATCH` values a transaction. Nodes may be at work meanwhile: what they hold is left alone and looked
//! for again. When PostgreSQL goes away what was committed stays, and the next run does the rest. May touch: the store.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::audit::{Action, Entry};
use crate::domain::clock::Clock;
use crate::domain::keys::{SealError, Sealer};
use crate::domain::principal::UserId;
use crate::store::two_factors::{Resealed, Secrets};
use crate::store::{self, Db, UnitOfWork};
use crate::{sessions, two_factor};

/// How many values are sealed in one transaction.
const BATCH: i64 = 500;
/// How often what somebody else held is looked for again.
const PASSES: usize = 10;
/// How long after the pass before: longer than a transaction that confirms a second factor.
const PAUSE: Duration = Duration::from_millis(500);

/// Why nothing more was sealed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A value could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// How many values were sealed under the present key.
    pub resealed: u64,
    /// The places of those that no configured key opens. They are as they were.
    pub locked: Vec<String>,
    /// How many somebody else held at every pass.
    pub busy: usize,
}

/// What it works with.
#[derive(Debug)]
pub struct Resealing {
    /// PostgreSQL.
    pub db: Db,
    /// Opens with both keys, seals with the present one.
    pub sealer: Arc<Sealer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Resealing {
    /// Seals signing keys and the secrets of TOTP under the present key, but for those that are under it. What can never be
    /// used again, a retired key or an enrolment that took too long, stays as it is.
    pub async fn run(&self) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        self.signing_keys(&mut outcome).await?;
        let locked_keys = outcome.locked.len();
        for pass in 0..PASSES {
            if pass > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            outcome.locked.truncate(locked_keys);
            let since = self.clock.now() - two_factor::ENROLMENT_LIFE;
            for secrets in [Secrets::BeingSetUp(since), Secrets::InForce] {
                self.totp(secrets, &mut outcome).await?;
            }
            // A secret that was confirmed between the two was in neither: the count tells.
            let left = self.db.count_secrets_without(&self.sealer.prefix(), since).await?;
            let locked = outcome.locked.len() - locked_keys;
            outcome.busy = usize::try_from(left).unwrap_or_default().saturating_sub(locked);
            if outcome.busy == 0 {
                break;
            }
        }
        Ok(outcome)
    }

    /// They are few: one transaction, which keeps nodes from making a key meanwhile.
    async fn signing_keys(&self, outcome: &mut Outcome) -> Result<(), Error> {
        let mut work = self.db.begin().await?;
        let mut count = 0;
        for key in work.lock_signing_keys().await?.into_iter().filter(|key| key.retired_at.is_none()) {
            if let Some(sealed) = self.reseal(sessions::sealing_place(&key.kid), &key.sealed_key, outcome)? {
                count += u64::from(work.reseal_signing_key(&key.kid, &key.sealed_key, &sealed).await?);
            }
        }
        self.commit(work, "signing_key", count, outcome).await
    }

    async fn totp(&self, secrets: Secrets, outcome: &mut Outcome) -> Result<(), Error> {
        let mut after = i64::MIN;
        loop {
            let mut work = self.db.begin().await?;
            let found = work.lock_secrets_without(secrets, &self.sealer.prefix(), after, BATCH).await?;
            let Some(last) = found.last() else { return Ok(()) };
            after = last.user_id;
            let mut resealed = Vec::new();
            for old in found {
                let place = two_factor::sealing_place(UserId::from(old.user_id));
                if let Some(sealed) = self.reseal(place, &old.sealed, outcome)? {
                    resealed.push(Resealed { old, sealed });
                }
            }
            let count = work.reseal_secrets(secrets, &resealed).await?;
            self.commit(work, "totp", count, outcome).await?;
        }
    }

    /// The value under the present key. Returns `None` if it is under it, or if no key opens it.
    fn reseal(&self, place: String, sealed: &str, outcome: &mut Outcome) -> Result<Option<String>, Error> {
        match self.sealer.reseal(&place, sealed) {
            Ok(resealed) => Ok(resealed),
            Err(error @ (SealError::Cipher | SealError::BadKey)) => Err(error.into()),
            Err(SealError::NotSealed | SealError::UnknownKey | SealError::NotAuthentic) => {
                outcome.locked.push(place);
                Ok(None)
            }
        }
    }

    async fn commit(
        &self,
        mut work: UnitOfWork,
        what: &'static str,
        count: u64,
        outcome: &mut Outcome,
    ) -> Result<(), Error> {
        if count > 0 {
            let entry = Entry::by_system(Action::SecretsResealed).on("sealing_key", self.sealer.key_id());
            work.record(entry.with("what", what).with("count", count));
            work.commit(self.clock.now()).await?;
            outcome.resealed += count;
        }
        Ok(())
    }
}
