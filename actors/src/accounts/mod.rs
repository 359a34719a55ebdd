//! Accounts: who a user is.
//!
//! Owns nothing in memory: a read is one query, so it is a plain call and no message. When PostgreSQL is away reads fail
//! with [`Error::Store`]. May touch: the store.

pub(crate) mod error;

use std::sync::Arc;

pub use self::error::Error;
use crate::domain::audit::{Action, Entry};
use crate::domain::clock::Clock;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::role::Role;
pub use crate::domain::user::User;
use crate::store::{Db, users::NewOfficer};

/// The door to accounts.
#[derive(Clone, Debug)]
pub struct Handle {
    db: Db,
    clock: Arc<dyn Clock>,
}

impl Handle {
    /// A handle over the store.
    pub fn new(db: Db, clock: Arc<dyn Clock>) -> Self {
        Self { db, clock }
    }

    /// The user with this id.
    pub async fn me(&self, id: UserId) -> Result<User, Error> {
        self.db.user(id).await?.ok_or(Error::UnknownUser)
    }

    /// The account that holds `phone`. Returns `None` if there is none.
    pub async fn find(&self, phone: &Phone) -> Result<Option<UserId>, Error> {
        Ok(self.db.user_id_of(phone).await?)
    }

    /// Creates an administrator on the word of an operator. Fails with [`Error::AlreadyThere`] if the phone, the e-mail or
    /// the employee id belongs to an account.
    pub async fn create_admin(&self, new: &NewAdmin<'_>) -> Result<UserId, Error> {
        let now = self.clock.now();
        let id = self.db.reserve_user_id().await?;
        let new = NewOfficer {
            id,
            phone: new.phone,
            full_name: new.full_name,
            email: new.email,
            employee_id: new.employee_id,
            password_hash: Some(new.password_hash),
            // Whoever runs the command chooses for themselves.
            password_temporary_until: None,
            role: Role::Admin,
            department_id: None,
            created_by: None,
        };
        let mut work = self.db.begin().await?;
        work.insert_officer(&new, now).await?;
        work.record(Entry::by_operator(Action::AdminCreated, id));
        work.commit(now).await?;
        Ok(id)
    }
}

/// An administrator to be created by an operator.
#[derive(Debug)]
pub struct NewAdmin<'a> {
    /// The phone, taken as verified.
    pub phone: &'a Phone,
    /// The full name.
    pub full_name: &'a str,
    /// The e-mail.
    pub email: &'a str,
    /// The employee id.
    pub employee_id: &'a str,
    /// The password's hash.
    pub password_hash: &'a str,
}
