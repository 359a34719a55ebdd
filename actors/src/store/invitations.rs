//! Invitations: who may choose a first password, and with which token.

use chrono::{DateTime, Utc};

use super::{Db, Error, UnitOfWork};
use crate::domain::principal::UserId;

/// An invitation to be kept.
#[derive(Debug)]
pub struct NewInvitation<'a> {
    /// Who is invited.
    pub user_id: UserId,
    /// The keyed hash of the token.
    pub token_hash: [u8; 32],
    /// Where the token is sent.
    pub email: &'a str,
    /// Who invites.
    pub invited_by: UserId,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
}

impl UnitOfWork {
    /// Keeps an invitation in place of an earlier one of the same user.
    pub async fn put_invitation(&mut self, new: &NewInvitation<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query!(
            "INSERT INTO invitations (user_id, token_hash, email, invited_by, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (user_id) DO UPDATE SET token_hash = $2, email = $3, invited_by = $4, created_at = $5, expires_at = $6",
            new.user_id.get(),
            &new.token_hash,
            new.email,
            new.invited_by.get(),
            now,
            new.expires_at
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Uses an invitation up. Answers whether it was good: of several who try at once, one succeeds.
    pub async fn claim_invitation(
        &mut self,
        id: UserId,
        token_hash: &[u8; 32],
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        let claimed = sqlx::query!(
            "DELETE FROM invitations i USING users u
             WHERE i.user_id = $1 AND i.token_hash = $2 AND i.expires_at > $3 AND u.id = i.user_id AND u.email = i.email",
            id.get(),
            token_hash,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(claimed.rows_affected() == 1)
    }

    /// Makes the invitation of a user worthless, if there is one.
    pub async fn forget_invitation(&mut self, id: UserId) -> Result<(), Error> {
        sqlx::query!("DELETE FROM invitations WHERE user_id = $1", id.get()).execute(self.connection()).await?;
        Ok(())
    }

    /// Takes a temporary password away. Answers whether there was one.
    pub async fn forget_temporary_password(&mut self, id: UserId, now: DateTime<Utc>) -> Result<bool, Error> {
        let forgotten = sqlx::query!(
            "UPDATE users SET password_hash = NULL, password_temporary_until = NULL, updated_at = $2
             WHERE id = $1 AND password_temporary_until IS NOT NULL",
            id.get(),
            now
        )
        .execute(self.connection())
        .await?;
        Ok(forgotten.rows_affected() == 1)
    }

    /// Notes that the holder of an account receives what is sent to its e-mail address.
    pub async fn verify_email(&mut self, id: UserId) -> Result<(), Error> {
        sqlx::query!("UPDATE users SET email_verified = true WHERE id = $1", id.get())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

impl Db {
    /// Whom the invitation with this token invites. Returns `None` if there is none, or it has expired.
    pub async fn invited(&self, token_hash: &[u8; 32], now: DateTime<Utc>) -> Result<Option<UserId>, Error> {
        let id = sqlx::query_scalar!(
            "SELECT user_id FROM invitations WHERE token_hash = $1 AND expires_at > $2",
            token_hash,
            now
        );
        Ok(id.fetch_optional(self).await?.map(UserId::from))
    }
}
