//! The signing keys of a node: read from PostgreSQL on an interval, made where there is none, rotated by operators.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;

use super::Error;
use crate::domain::audit::{Action, Entry};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::keys::{SealError, Sealer};
use crate::domain::token::{Algorithm, Key, KeyError, Member, NewKey, Ring, SETTLE, State, Tokens};
use crate::store::signing_keys::SigningKey;
use crate::store::{self, Db, UnitOfWork};
use crate::supervision::Heartbeat;

/// How often the keys are read again. The rule of the ring bears three of these.
const REREAD_EVERY: Duration = Duration::from_secs(10);
/// How long reading them may take, making the first one included.
const READ: Duration = Duration::from_secs(10);
/// How soon after a failure, as long as nothing was read.
const RETRY: Duration = Duration::from_millis(500);

/// A failure to read, make or end a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// No key could be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A stored key cannot be used: it was sealed under another sealing key, or changed.
    #[error("the signing key {kid} cannot be opened: {why}")]
    Locked {
        /// Which.
        kid: String,
        /// Why.
        why: String,
    },
    /// There is no such key to end.
    #[error("no key {0} is stored that has no end yet; the key of token.secret cannot be retired")]
    Unknown(String),
    /// The key signs, or will.
    #[error("the key {0} signs, or is about to: rotate first")]
    InUse(String),
}

/// A key, as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// What it does now.
    pub state: State,
    /// When it was made; `None` for the key of the configured secret.
    pub created_at: Option<DateTime<Utc>>,
    /// When it began or begins to sign; `None` for the key of the configured secret.
    pub active_from: Option<DateTime<Utc>>,
    /// Until when it verifies; `None` as long as no end is known.
    pub verifies_until: Option<DateTime<Utc>>,
}

/// A key that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it begins to sign.
    pub active_from: DateTime<Utc>,
}

/// What a ring works with.
#[derive(Debug)]
pub struct KeyRingParts {
    /// PostgreSQL.
    pub db: Db,
    /// Seals private keys and secrets.
    pub sealer: Arc<Sealer>,
    /// Where the keys are used.
    pub tokens: Arc<Tokens>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// Keeps the keys of a node.
#[derive(Debug)]
pub struct KeyRing {
    parts: KeyRingParts,
    /// The rows in use.
    seen: Mutex<Option<Vec<SigningKey>>>,
}

impl KeyRing {
    /// A ring that nothing was read into yet.
    pub fn new(parts: KeyRingParts) -> Self {
        Self { parts, seen: Mutex::default() }
    }

    /// Reads the keys, and makes one first where the configured algorithm has none that may sign.
    ///
    /// A key that cannot be opened fails the whole reading, since what it signs must be accepted here: a node that starts is
    /// not ready, and one that runs keeps the keys it has.
    pub async fn refresh(&self) -> Result<(), KeyRingError> {
        let now = self.parts.clock.now();
        let mut rows = self.parts.db.signing_keys().await?;
        if self.schedule(&rows).wants_key(now) {
            rows = self.ensure_first(now).await?;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() == Some(&rows) {
            return Ok(());
        }
        let schedule = self.schedule(&rows);
        let ring = schedule.try_filter_map(|member| match member.key {
            None => Ok(Some(self.parts.tokens.first_key().key)),
            Some(row) if schedule.verifies(&row.kid, now) => self.open(row).map(|key| Some(Arc::new(key))),
            // It may be sealed under a sealing key that is gone.
            Some(_) => Ok(None),
        })?;
        let names: Vec<_> = ring.verifying(now).map(|member| member.kid.as_str()).collect();
        tracing::info!(keys = names.join(" "), "the signing keys were read");
        self.parts.tokens.replace(ring);
        *seen = Some(rows);
        Ok(())
    }

    /// Makes the first key of the configured algorithm, unless another node did so just now. Answers every key.
    async fn ensure_first(&self, now: DateTime<Utc>) -> Result<Vec<SigningKey>, KeyRingError> {
        let in_use = self.parts.db.has_access_tokens(now).await?;
        let mut work = self.parts.db.begin().await?;
        let rows = work.lock_signing_keys().await?;
        let schedule = self.schedule(&rows);
        if !schedule.wants_key(now) {
            return Ok(rows);
        }
        // Other nodes may be at work: they must know the key before a token of it comes along.
        let wait = in_use && schedule.signer(now).is_some();
        let made = self.add(&mut work, if wait { now + SETTLE } else { now }, now).await?;
        work.commit(now).await?;
        tracing::info!(kid = made.kid, algorithm = made.algorithm.as_str(), "a first signing key was made");
        Ok(self.parts.db.signing_keys().await?)
    }

    /// Makes a key of the configured algorithm that begins to sign `overlap` from now. An overlap below [`SETTLE`] has
    /// nodes refuse for a moment what others sign.
    pub async fn rotate(&self, overlap: chrono::Duration) -> Result<Rotated, KeyRingError> {
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        work.lock_signing_keys().await?;
        let SigningKey { kid, algorithm, active_from, .. } = self.add(&mut work, now + overlap, now).await?;
        work.commit(now).await?;
        Ok(Rotated { kid, algorithm, active_from })
    }

    async fn add(
        &self,
        work: &mut UnitOfWork,
        active_from: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<SigningKey, KeyRingError> {
        let NewKey { kid, algorithm, secret, public_jwk } =
            NewKey::generate(self.parts.tokens.algorithm(), &*self.parts.entropy)?;
        let sealed_key = self.parts.sealer.seal(&place(&kid), secret.expose())?;
        let key = SigningKey { kid, algorithm, sealed_key, public_jwk, created_at: now, active_from, retired_at: None };
        work.insert_signing_key(&key).await?;
        let entry = Entry::by_system(Action::SigningKeyRotated).on("signing_key", &key.kid).with("change", "added");
        let entry = entry.with("algorithm", algorithm.as_str()).with("active_from", active_from.to_rfc3339());
        work.record(entry);
        Ok(key)
    }

    /// Ends a key that only verifies: what it signed is refused from the next re-read on.
    pub async fn retire(&self, kid: &str) -> Result<(), KeyRingError> {
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let rows = work.lock_signing_keys().await?;
        let in_use = |listed: &ListedKey| listed.kid == kid && matches!(listed.state, State::Next | State::Signing);
        if self.listed(&rows, now).iter().any(in_use) {
            return Err(KeyRingError::InUse(kid.to_owned()));
        }
        if !work.retire_signing_key(kid, now).await? {
            return Err(KeyRingError::Unknown(kid.to_owned()));
        }
        let entry = Entry::by_system(Action::SigningKeyRotated).on("signing_key", kid).with("change", "retired");
        work.record(entry);
        work.commit(now).await?;
        Ok(())
    }

    /// Every key and what it does now, in the order in which they begin to sign.
    pub async fn list(&self) -> Result<Vec<ListedKey>, KeyRingError> {
        Ok(self.listed(&self.parts.db.signing_keys().await?, self.parts.clock.now()))
    }

    fn listed(&self, rows: &[SigningKey], now: DateTime<Utc>) -> Vec<ListedKey> {
        let listed = |(member, state, verifies_until): (&Member<Option<&SigningKey>>, State, _)| ListedKey {
            kid: member.kid.clone(),
            algorithm: member.algorithm,
            state,
            created_at: member.key.map(|row| row.created_at),
            active_from: member.key.map(|row| row.active_from),
            verifies_until,
        };
        self.schedule(rows).states(now).map(listed).collect()
    }

    /// The times of all keys, without the keys.
    fn schedule<'a>(&self, rows: &'a [SigningKey]) -> Ring<Option<&'a SigningKey>> {
        let Member { kid, algorithm, active_from, retired_at, key: _ } = self.parts.tokens.first_key();
        let first = Member { kid, algorithm, active_from, retired_at, key: None };
        let stored = rows.iter().map(|row| member(row, Some(row)));
        self.parts.tokens.ring_of(stored.chain([first]).collect())
    }

    fn open(&self, row: &SigningKey) -> Result<Key, KeyRingError> {
        let locked = |why: &dyn std::fmt::Display| KeyRingError::Locked { kid: row.kid.clone(), why: why.to_string() };
        let secret = self.parts.sealer.open(&place(&row.kid), &row.sealed_key).map_err(|why| locked(&why))?;
        let key = Key::open(&row.kid, row.algorithm, &secret).map_err(|why| locked(&why))?;
        if key.public_jwk() == row.public_jwk.as_ref() { Ok(key) } else { Err(locked(&KeyError::Damaged)) }
    }

    /// Keeps the keys up to date until `stop`.
    pub(super) async fn follow(&self, stop: CancellationToken, heartbeat: Heartbeat) {
        loop {
            let pause = match stop.run_until_cancelled(heartbeat.step(READ, self.refresh())).await {
                None => return,
                Some(Ok(())) => REREAD_EVERY,
                Some(Err(error)) => {
                    tracing::warn!(%error, "the signing keys could not be read");
                    if self.is_loaded() { REREAD_EVERY } else { RETRY }
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Whether the keys were read at least once.
    pub fn is_loaded(&self) -> bool {
        self.parts.tokens.is_loaded()
    }

    /// The public keys with which others verify our tokens.
    pub fn jwks(&self) -> Result<serde_json::Value, Error> {
        Ok(self.parts.tokens.jwks(self.parts.clock.now())?)
    }
}

/// Where a key is sealed to.
pub(crate) fn place(kid: &str) -> String {
    format!("signing_key:{kid}")
}

fn member<K>(row: &SigningKey, key: K) -> Member<K> {
    let SigningKey { kid, algorithm, active_from, retired_at, .. } = row;
    Member { kid: kid.clone(), algorithm: *algorithm, active_from: *active_from, retired_at: *retired_at, key }
}
