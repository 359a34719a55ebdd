//! Token epochs: whose access tokens are worthless, and since which epoch.

use chrono::{DateTime, Utc};

use super::{Db, Error, UnitOfWork};
use crate::domain::principal::UserId;

impl UnitOfWork {
    /// Begins another token epoch: every access token of the user so far is worthless; until `tokens_until` one may be in use.
    /// Answers the epoch.
    pub async fn begin_token_epoch(
        &mut self,
        id: UserId,
        tokens_until: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<i32, Error> {
        let epoch = sqlx::query_scalar!(
            "UPDATE users SET token_epoch = token_epoch + 1, tokens_revoked_at = $2, tokens_until = $3
             WHERE id = $1 RETURNING token_epoch",
            id.get(),
            now,
            tokens_until
        );
        Ok(epoch.fetch_one(self.connection()).await?)
    }
}

impl Db {
    /// Whose tokens of earlier epochs may still be in use at `now`, the first epoch that is accepted, and until when. `since`
    /// leaves out what began before.
    pub async fn token_epochs(
        &self,
        since: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<Vec<(UserId, i32, DateTime<Utc>)>, Error> {
        let rows = sqlx::query!(
            r#"SELECT id, token_epoch, tokens_until AS "tokens_until!" FROM users
               WHERE tokens_until > $1 AND ($2::timestamptz IS NULL OR tokens_revoked_at >= $2)"#,
            now,
            since
        )
        .map(|row| (row.id.into(), row.token_epoch, row.tokens_until))
        .fetch_all(self)
        .await?;
        Ok(rows)
    }
}
