//! Second factors: those in force, those being set up, and backup codes.

use chrono::{DateTime, Utc};

use super::{Db, Error, UnitOfWork};
use crate::domain::principal::UserId;
use crate::domain::second_step::Method;

/// A second factor as it is stored.
#[derive(Clone)]
pub struct Factor {
    /// What it is.
    pub method: Method,
    /// The sealed secret; TOTP has one.
    pub sealed_secret: Option<String>,
}

impl std::fmt::Debug for Factor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Factor({})", self.method.as_str())
    }
}

/// The second factor of an account, as its owner sees it.
#[derive(Clone, Copy, Debug)]
pub struct FactorState {
    /// What it is.
    pub method: Method,
    /// Since when it is in force.
    pub since: DateTime<Utc>,
    /// How many backup codes are left.
    pub backup_codes_left: i64,
}

/// Which secrets of TOTP are meant.
#[derive(Clone, Copy, Debug)]
pub enum Secrets {
    /// Those being set up since this moment.
    BeingSetUp(DateTime<Utc>),
    /// Those in force.
    InForce,
}

/// A sealed secret and whose it is.
pub struct SealedSecret {
    /// Whose, as the database has it.
    pub user_id: i64,
    /// The secret.
    pub sealed: String,
}

/// A secret that is to be sealed otherwise.
pub struct Resealed {
    /// Whose, and as it was.
    pub old: SealedSecret,
    /// As it shall be.
    pub sealed: String,
}

fn factor(method: &str, sealed_secret: Option<String>) -> Result<Factor, Error> {
    let unknown = Error::Inconsistent { table: "two_factors", column: "method" };
    Ok(Factor { method: Method::parse(method).ok_or(unknown)?, sealed_secret })
}

impl UnitOfWork {
    /// Begins setting up a second factor; one that was begun before is forgotten.
    pub async fn begin_enrolment(&mut self, id: UserId, factor: &Factor, now: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO two_factor_enrolments (user_id, method, sealed_secret, started_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id) DO UPDATE SET method = $2, sealed_secret = $3, started_at = $4",
            id.get(),
            factor.method.as_str(),
            factor.sealed_secret,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Puts a second factor in force and ends its enrolment; `last_step` was used to confirm it. Returns `false` if the
    /// enrolment is not there any more: another request was faster.
    pub async fn confirm_enrolment(
        &mut self,
        id: UserId,
        factor: &Factor,
        last_step: i64,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let ended = sqlx::query!(
            "DELETE FROM two_factor_enrolments WHERE user_id = $1 AND method = $2 AND sealed_secret IS NOT DISTINCT FROM $3",
            id.get(),
            factor.method.as_str(),
            factor.sealed_secret
        )
        .execute(self.connection())
        .await?;
        if ended.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO two_factors (user_id, method, sealed_secret, last_step, confirmed_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (user_id) DO UPDATE SET method = $2, sealed_secret = $3, last_step = $4, confirmed_at = $5",
            id.get(),
            factor.method.as_str(),
            factor.sealed_secret,
            last_step,
            now
        )
        .execute(self.connection())
        .await?;
        sqlx::query!("UPDATE users SET two_fa_enabled = true, updated_at = $2 WHERE id = $1", id.get(), now)
            .execute(self.connection())
            .await?;
        Ok(true)
    }

    /// Removes the second factor, its backup codes and any enrolment. Returns `false` if there was none.
    pub async fn remove_two_factor(&mut self, id: UserId, now: DateTime<Utc>) -> Result<bool, Error> {
        let removed = sqlx::query!("DELETE FROM two_factors WHERE user_id = $1", id.get());
        let removed = removed.execute(self.connection()).await?.rows_affected() == 1;
        sqlx::query!("DELETE FROM two_factor_enrolments WHERE user_id = $1", id.get())
            .execute(self.connection())
            .await?;
        sqlx::query!("DELETE FROM backup_codes WHERE user_id = $1", id.get()).execute(self.connection()).await?;
        sqlx::query!("UPDATE users SET two_fa_enabled = false, updated_at = $2 WHERE id = $1", id.get(), now)
            .execute(self.connection())
            .await?;
        Ok(removed)
    }

    /// Up to `limit` secrets that do not begin with `prefix`, of users behind `after`, in the order of users. They are locked;
    /// those that somebody else holds are left out.
    pub async fn lock_secrets_without(
        &mut self,
        secrets: Secrets,
        prefix: &str,
        after: i64,
        limit: i64,
    ) -> Result<Vec<SealedSecret>, Error> {
        let found = match secrets {
            Secrets::BeingSetUp(since) => {
                let found = sqlx::query_as!(
                    SealedSecret,
                    r#"SELECT user_id, sealed_secret AS "sealed!" FROM two_factor_enrolments
                       WHERE user_id > $1 AND method = 'totp' AND NOT starts_with(sealed_secret, $2) AND started_at > $4
                       ORDER BY user_id LIMIT $3 FOR UPDATE SKIP LOCKED"#,
                    after,
                    prefix,
                    limit,
                    since
                );
                found.fetch_all(self.connection()).await?
            }
            Secrets::InForce => {
                let found = sqlx::query_as!(
                    SealedSecret,
                    r#"SELECT user_id, sealed_secret AS "sealed!" FROM two_factors
                       WHERE user_id > $1 AND method = 'totp' AND NOT starts_with(sealed_secret, $2)
                       ORDER BY user_id LIMIT $3 FOR UPDATE SKIP LOCKED"#,
                    after,
                    prefix,
                    limit
                );
                found.fetch_all(self.connection()).await?
            }
        };
        Ok(found)
    }

    /// Replaces sealed secrets, each unless it is another one by now. Answers how many were replaced.
    pub async fn reseal_secrets(&mut self, secrets: Secrets, resealed: &[Resealed]) -> Result<u64, Error> {
        let users: Vec<i64> = resealed.iter().map(|secret| secret.old.user_id).collect();
        let old: Vec<String> = resealed.iter().map(|secret| secret.old.sealed.clone()).collect();
        let new: Vec<String> = resealed.iter().map(|secret| secret.sealed.clone()).collect();
        let replace = match secrets {
            Secrets::BeingSetUp(_) => sqlx::query!(
                "UPDATE two_factor_enrolments AS stored SET sealed_secret = given.new
                 FROM unnest($1::bigint[], $2::text[], $3::text[]) AS given (user_id, old, new)
                 WHERE stored.user_id = given.user_id AND stored.sealed_secret = given.old",
                &users,
                &old,
                &new
            ),
            Secrets::InForce => sqlx::query!(
                "UPDATE two_factors AS stored SET sealed_secret = given.new
                 FROM unnest($1::bigint[], $2::text[], $3::text[]) AS given (user_id, old, new)
                 WHERE stored.user_id = given.user_id AND stored.sealed_secret = given.old",
                &users,
                &old,
                &new
            ),
        };
        Ok(replace.execute(self.connection()).await?.rows_affected())
    }

    /// Spends a step of the TOTP factor with this sealed secret. Returns `false` if this step or a later one was spent before, or
    /// the factor is another one by now.
    pub async fn spend_totp_step(&mut self, id: UserId, sealed_secret: &str, step: i64) -> Result<bool, Error> {
        let spent = sqlx::query!(
            "UPDATE two_factors SET last_step = $2
             WHERE user_id = $1 AND method = 'totp' AND sealed_secret = $3 AND last_step < $2",
            id.get(),
            step,
            sealed_secret
        );
        Ok(spent.execute(self.connection()).await?.rows_affected() == 1)
    }

    /// Whether the user has this backup code unspent, and made after `since` without the factor being set up with it: then it
    /// proves nothing to a session that was opened before.
    pub async fn is_backup_code_newer(
        &mut self,
        id: UserId,
        hash: &[u8; 32],
        since: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let newer = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM backup_codes c JOIN two_factors f ON f.user_id = c.user_id
                              WHERE c.user_id = $1 AND c.code_hash = $2 AND c.used_at IS NULL
                                AND c.created_at >= $3 AND c.created_at > f.confirmed_at) AS "newer!""#,
            id.get(),
            hash,
            since
        );
        Ok(newer.fetch_one(self.connection()).await?)
    }

    /// Spends a backup code, by the hashes it may be stored under. Returns `None` if it is none of the user's unspent ones, else
    /// how many are left.
    pub async fn spend_backup_code(
        &mut self,
        id: UserId,
        hashes: &[[u8; 32]],
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, Error> {
        let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
        let spent = sqlx::query!(
            "UPDATE backup_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = ANY($2) AND used_at IS NULL",
            id.get(),
            &hashes,
            now
        );
        if spent.execute(self.connection()).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let left = sqlx::query_scalar!(
            r#"SELECT count(*) AS "left!" FROM backup_codes WHERE user_id = $1 AND used_at IS NULL"#,
            id.get()
        );
        Ok(Some(left.fetch_one(self.connection()).await?))
    }

    /// Replaces the user's backup codes.
    pub async fn replace_backup_codes(
        &mut self,
        id: UserId,
        hashes: &[[u8; 32]],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        sqlx::query!("DELETE FROM backup_codes WHERE user_id = $1", id.get()).execute(self.connection()).await?;
        let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
        sqlx::query!(
            "INSERT INTO backup_codes (user_id, code_hash, created_at) SELECT $1, hash, $3 FROM unnest($2::bytea[]) AS hash",
            id.get(),
            &hashes,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Db {
    /// The second factor in force. Returns `None` if there is none.
    pub async fn two_factor(&self, id: UserId) -> Result<Option<Factor>, Error> {
        let row = sqlx::query!("SELECT method, sealed_secret FROM two_factors WHERE user_id = $1", id.get())
            .fetch_optional(self)
            .await?;
        row.map(|row| factor(&row.method, row.sealed_secret)).transpose()
    }

    /// The second factor in force and what is left of its backup codes. Returns `None` if there is none.
    pub async fn two_factor_state(&self, id: UserId) -> Result<Option<FactorState>, Error> {
        let row = sqlx::query!(
            r#"SELECT method, confirmed_at,
                      (SELECT count(*) FROM backup_codes WHERE user_id = $1 AND used_at IS NULL) AS "left!"
               FROM two_factors WHERE user_id = $1"#,
            id.get()
        );
        let Some(row) = row.fetch_optional(self).await? else { return Ok(None) };
        let method = factor(&row.method, None)?.method;
        Ok(Some(FactorState { method, since: row.confirmed_at, backup_codes_left: row.left }))
    }

    /// How many secrets of TOTP, in force or being set up since `since`, do not begin with `prefix`.
    pub async fn count_secrets_without(&self, prefix: &str, since: DateTime<Utc>) -> Result<i64, Error> {
        // One statement sees one moment: a secret that goes from one table to the other is counted once.
        let count = sqlx::query_scalar!(
            r#"SELECT (SELECT count(*) FROM two_factors WHERE method = 'totp' AND NOT starts_with(sealed_secret, $1))
                    + (SELECT count(*) FROM two_factor_enrolments
                       WHERE method = 'totp' AND NOT starts_with(sealed_secret, $1) AND started_at > $2) AS "count!""#,
            prefix,
            since
        );
        Ok(count.fetch_one(self).await?)
    }

    /// The second factor that has been set up since `since` and is not confirmed. Returns `None` if there is none.
    pub async fn enrolment(&self, id: UserId, since: DateTime<Utc>) -> Result<Option<Factor>, Error> {
        let row = sqlx::query!(
            "SELECT method, sealed_secret FROM two_factor_enrolments WHERE user_id = $1 AND started_at > $2",
            id.get(),
            since
        )
        .fetch_optional(self)
        .await?;
        row.map(|row| factor(&row.method, row.sealed_secret)).transpose()
    }
}
