//! How often each authenticator of a user failed in a row.

use super::{Db, Error, UnitOfWork};
use crate::domain::failures::{Authenticator, MOST};
use crate::domain::principal::UserId;

impl UnitOfWork {
    /// Counts a failure, up to [`MOST`]. Answers how many there were in a row, this one included, if it is the one that was too
    /// many. Without a user the same is asked for nobody.
    pub async fn count_failure(&mut self, user: Option<UserId>, failed: Authenticator) -> Result<bool, Error> {
        let count = sqlx::query_scalar!(
            r#"UPDATE users SET authenticator_failures = authenticator_failures || jsonb_build_object($2::text,
                                    coalesce((authenticator_failures ->> $2)::integer, 0) + 1)
               WHERE id = $1 AND coalesce((authenticator_failures ->> $2)::integer, 0) < $3
               RETURNING (authenticator_failures ->> $2)::integer AS "count!""#,
            user.map_or(0, UserId::get),
            failed.as_str(),
            i32::try_from(MOST).unwrap_or(i32::MAX)
        )
        .fetch_optional(self.connection())
        .await?;
        Ok(count.and_then(|count| u32::try_from(count).ok()) == Some(MOST))
    }

    /// Sets authenticators right that were set anew, or all of a user.
    pub async fn forget_failures(&mut self, user: UserId, authenticators: Option<&[&str]>) -> Result<(), Error> {
        let names = authenticators.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        sqlx::query!(
            "UPDATE users SET authenticator_failures =
                 CASE WHEN $2::text[] IS NULL THEN '{}'::jsonb ELSE authenticator_failures - $2::text[] END
             WHERE id = $1 AND authenticator_failures <> '{}'::jsonb",
            user.get(),
            names.as_deref()
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Db {
    /// An authenticator succeeded: it never failed, and what it stands in for did not either. One that is off stays so.
    pub async fn authenticator_succeeded(&self, user: UserId, succeeded: Authenticator) -> Result<(), Error> {
        let names: Vec<String> = succeeded.sets_right().iter().map(|name| (*name).to_owned()).collect();
        sqlx::query!(
            "UPDATE users SET authenticator_failures = authenticator_failures - $2::text[]
             WHERE id = $1 AND coalesce((authenticator_failures ->> $3)::integer, 0) < $4",
            user.get(),
            &names,
            succeeded.as_str(),
            i32::try_from(MOST).unwrap_or(i32::MAX)
        )
        .execute(self)
        .await?;
        Ok(())
    }
}
