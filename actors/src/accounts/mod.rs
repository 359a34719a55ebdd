//! Accounts: who a user is.
//!
//! Owns nothing in memory: a read is one query, so it is a plain call and no message. When PostgreSQL is away reads fail
//! with [`Error::Store`]. May touch: the store.

pub(crate) mod error;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use self::error::Error;
use crate::domain::audit::{Action, Entry};
use crate::domain::clock::Clock;
use crate::domain::language::Language;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::role::{ProfileLevel, Role};
use crate::store::{Db, users::NewOfficer};

/// A user, as they see themselves. The fields are those of `GET /users/me`.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the contract documents each field")]
#[expect(clippy::struct_excessive_bools, reason = "the contract has them")]
pub struct User {
    pub id: UserId,
    pub phone: Phone,
    pub email: Option<String>,
    pub full_name: Option<String>,
    pub role: Role,
    pub profile_completion: ProfileLevel,
    pub reputation_score: i32,
    pub is_active: bool,
    pub phone_verified: bool,
    pub email_verified: bool,
    pub created_at: DateTime<Utc>,
    pub last_login: Option<DateTime<Utc>>,
    pub total_reports: i32,
    pub total_validations: i32,
    pub helpful_validations: i32,
    pub primary_address: Option<String>,
    pub primary_latitude: Option<f64>,
    pub primary_longitude: Option<f64>,
    pub bio: Option<String>,
    pub avatar_url: Option<String>,
    pub preferred_language: Language,
    pub push_notifications: bool,
    pub sms_notifications: bool,
    pub email_notifications: bool,
    pub department_id: Option<i64>,
    pub employee_id: Option<String>,
    pub aadhaar_linked: bool,
    pub digilocker_linked: bool,
    pub two_fa_enabled: bool,
    pub account_created_via: String,
    pub moderation_areas: Vec<Value>,
}

impl User {
    /// What the user may do; a suspended user may do nothing.
    pub fn permissions(&self) -> Vec<&'static str> {
        if self.is_active { self.role.permissions() } else { Vec::new() }
    }
}

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
            password_hash: new.password_hash,
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
