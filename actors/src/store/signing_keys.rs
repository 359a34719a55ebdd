//! Signing keys: few rows, read whole by every node.

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Executor, Postgres};

use super::{Db, Error, UnitOfWork};
use crate::domain::token::Algorithm;

/// A stored signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// The secret or the private key, sealed.
    pub sealed_key: String,
    /// The public key (RFC 7517); `None` for HS256.
    pub public_jwk: Option<Value>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it begins to sign.
    pub active_from: DateTime<Utc>,
    /// Since when it does nothing any more, on the word of an operator.
    pub retired_at: Option<DateTime<Utc>>,
}

/// A row as it stands.
struct Row {
    kid: String,
    algorithm: String,
    sealed_key: String,
    public_jwk: Option<Value>,
    created_at: DateTime<Utc>,
    active_from: DateTime<Utc>,
    retired_at: Option<DateTime<Utc>>,
}

/// Every signing key, in the order in which they begin to sign.
async fn read<'c>(connection: impl Executor<'c, Database = Postgres>) -> Result<Vec<SigningKey>, Error> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT kid, algorithm, sealed_key, public_jwk, created_at, active_from, retired_at
         FROM signing_keys ORDER BY active_from, kid"
    )
    .fetch_all(connection)
    .await?;
    let key = |row| {
        let Row { kid, algorithm, sealed_key, public_jwk, created_at, active_from, retired_at } = row;
        let unknown = Error::Inconsistent { table: "signing_keys", column: "algorithm" };
        let algorithm = Algorithm::parse(&algorithm).ok_or(unknown)?;
        Ok(SigningKey { kid, algorithm, sealed_key, public_jwk, created_at, active_from, retired_at })
    };
    rows.into_iter().map(key).collect()
}

impl Db {
    /// Every signing key, in the order in which they begin to sign.
    pub async fn signing_keys(&self) -> Result<Vec<SigningKey>, Error> {
        read(self).await
    }

    /// Whether an access token may be in use.
    pub async fn has_access_tokens(&self, now: DateTime<Utc>) -> Result<bool, Error> {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM sessions WHERE access_until > $1 AND revoked_at IS NULL) AS "found!""#,
            now
        )
        .fetch_one(self)
        .await?;
        Ok(found)
    }
}

impl UnitOfWork {
    /// Every signing key. Makes everybody else who changes them wait until this unit of work ends.
    pub async fn lock_signing_keys(&mut self) -> Result<Vec<SigningKey>, Error> {
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtext('civiclens.signing_keys'))")
            .execute(self.connection())
            .await?;
        read(self.connection()).await
    }

    /// Adds a signing key.
    pub async fn insert_signing_key(&mut self, key: &SigningKey) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO signing_keys (kid, algorithm, sealed_key, public_jwk, created_at, active_from)
             VALUES ($1, $2, $3, $4, $5, $6)",
            key.kid,
            key.algorithm.as_str(),
            key.sealed_key,
            key.public_jwk,
            key.created_at,
            key.active_from,
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Replaces what is sealed, unless it is not `old` any more. Answers whether it was replaced.
    pub async fn reseal_signing_key(&mut self, kid: &str, old: &str, new: &str) -> Result<bool, Error> {
        let done =
            sqlx::query!("UPDATE signing_keys SET sealed_key = $3 WHERE kid = $1 AND sealed_key = $2", kid, old, new)
                .execute(self.connection())
                .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a signing key. Answers whether it was there and had no end yet.
    pub async fn retire_signing_key(&mut self, kid: &str, now: DateTime<Utc>) -> Result<bool, Error> {
        let done =
            sqlx::query!("UPDATE signing_keys SET retired_at = $2 WHERE kid = $1 AND retired_at IS NULL", kid, now)
                .execute(self.connection())
                .await?;
        Ok(done.rows_affected() == 1)
    }
}
