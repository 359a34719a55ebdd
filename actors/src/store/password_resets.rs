//! With what passwords were reset: a proof resets one password once.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Db, Error, UnitOfWork};
use crate::domain::principal::UserId;

impl UnitOfWork {
    /// Notes that a password is reset with this proof, and forgets some that were noted before `forget`. Returns `false` if one
    /// was reset with it before.
    pub async fn spend_reset_proof(
        &mut self,
        id: UserId,
        proof_id: Uuid,
        forget: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let done = sqlx::query!(
            "WITH old AS (SELECT proof_id FROM password_resets WHERE reset_at < $4
                          ORDER BY reset_at LIMIT 10 FOR UPDATE SKIP LOCKED),
                  gone AS (DELETE FROM password_resets r USING old WHERE r.proof_id = old.proof_id)
             INSERT INTO password_resets (proof_id, user_id, reset_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            proof_id,
            id.get(),
            now,
            forget
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Db {
    /// Whether a password was reset with this proof.
    pub async fn was_reset_with(&self, proof_id: Uuid) -> Result<bool, Error> {
        let was = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM password_resets WHERE proof_id = $1) AS "was!""#,
            proof_id
        );
        Ok(was.fetch_one(self).await?)
    }
}
