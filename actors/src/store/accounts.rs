//! Accounts: users as signing in sees them. What they see of themselves is in `users`.

use chrono::{DateTime, Utc};

use super::users::{language, level, role};
use super::{Db, Error, UnitOfWork};
use crate::domain::failures::{Authenticator, Failures};
use crate::domain::language::Language;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::role::{ProfileLevel, Role};
use crate::domain::second_step::{self, Method};

/// What signing in needs to know of a user. Its `Debug` shows only the id.
#[derive(Clone)]
pub struct Account {
    /// The user.
    pub id: UserId,
    /// Their phone.
    pub phone: Phone,
    /// Their e-mail.
    pub email: Option<String>,
    /// Whether they proved it.
    pub email_verified: bool,
    /// Their name.
    pub full_name: Option<String>,
    /// Their role.
    pub role: Role,
    /// The hash of their password.
    pub password_hash: Option<String>,
    /// How much of their profile is there.
    pub profile_completion: ProfileLevel,
    /// Whether they may sign in.
    pub is_active: bool,
    /// The language of their messages.
    pub preferred_language: Language,
    /// The epoch of their access tokens.
    pub token_epoch: i32,
    /// The second factor in force.
    pub two_factor: Option<Method>,
    /// Until when their password works, where somebody else chose it.
    pub password_temporary_until: Option<DateTime<Utc>>,
    /// How often each authenticator failed in a row.
    pub failures: Failures,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({})", self.id)
    }
}

impl Account {
    /// The e-mail, if its owner proved it or an administrator entered it.
    pub fn trusted_email(&self) -> Option<&str> {
        self.email.as_deref().filter(|_| self.email_verified || self.role.needs_password())
    }

    /// The hash of their password, unless it failed so often that it is off.
    pub fn password_in_force(&self) -> Option<String> {
        self.password_hash.clone().filter(|_| !self.failures.is_off(Authenticator::Password))
    }

    /// Whether they chose their password themselves.
    pub fn has_own_password(&self) -> bool {
        self.password_hash.is_some() && self.password_temporary_until.is_none()
    }

    /// Whether their password was chosen by somebody else, and works no longer.
    pub fn is_password_expired(&self, now: DateTime<Utc>) -> bool {
        self.password_temporary_until.is_some_and(|end| end <= now)
    }

    /// Whether a message may bring what sets a new password. Officers, administrators and auditors who have no password that
    /// works, because their invitation was not accepted or their temporary password has expired, wait for an administrator.
    pub fn may_reset(&self, now: DateTime<Utc>) -> bool {
        let waits = self.role.needs_password() && (self.password_hash.is_none() || self.is_password_expired(now));
        self.is_active && !waits
    }

    /// What the rule of the second step looks at.
    pub fn for_second_step(&self) -> second_step::Account {
        second_step::Account {
            role: self.role,
            has_password: self.password_hash.is_some(),
            two_factor: self.two_factor,
        }
    }
}

/// A row of `users` with its second factor.
struct Row {
    id: i64,
    phone: String,
    email: Option<String>,
    email_verified: bool,
    full_name: Option<String>,
    role: String,
    password_hash: Option<String>,
    profile_completion: String,
    is_active: bool,
    preferred_language: String,
    token_epoch: i32,
    method: Option<String>,
    password_temporary_until: Option<DateTime<Utc>>,
    failures: String,
}

impl TryFrom<Row> for Account {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let unknown = Error::Inconsistent { table: "two_factors", column: "method" };
        Ok(Self {
            id: row.id.into(),
            phone: Phone::from_stored(row.phone),
            email: row.email,
            email_verified: row.email_verified,
            full_name: row.full_name,
            role: role(&row.role)?,
            password_hash: row.password_hash,
            profile_completion: level(&row.profile_completion)?,
            is_active: row.is_active,
            preferred_language: language(&row.preferred_language)?,
            token_epoch: row.token_epoch,
            two_factor: row.method.map(|name| Method::parse(&name).ok_or(unknown)).transpose()?,
            password_temporary_until: row.password_temporary_until,
            failures: Failures::read(&row.failures),
        })
    }
}

/// An account that is about to be made.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// The id, where one was promised already.
    pub id: Option<UserId>,
    /// The phone, which was proven.
    pub phone: &'a Phone,
    /// The name.
    pub full_name: Option<&'a str>,
    /// The e-mail, which was not proven.
    pub email: Option<&'a str>,
    /// The hash of the password.
    pub password_hash: Option<&'a str>,
    /// The language of messages.
    pub language: Language,
    /// What made it: `otp`, `password`.
    pub via: &'a str,
    /// How its holder gets in this first time.
    pub method: &'a str,
}

impl UnitOfWork {
    /// Finds the account that holds the phone of `new`, which was proven, or makes `new`, a citizen who logs in for the first
    /// time. Answers the account and whether it was made. Holds the row's lock until the end: what follows for one user happens in one order. Two first
    /// logins at once make one user.
    pub async fn find_or_register(
        &mut self,
        new: &NewAccount<'_>,
        now: DateTime<Utc>,
    ) -> Result<(Account, bool), Error> {
        // `xmax = 0` tells a row this statement inserted from one it found.
        let row = sqlx::query!(
            r#"INSERT INTO users AS u (id, phone, phone_verified, full_name, email, password_hash, password_changed_at,
                                       profile_completion, account_created_via, preferred_language, created_at,
                                       updated_at, last_login, last_login_method, login_count)
               OVERRIDING SYSTEM VALUE
               VALUES (coalesce($1, nextval(pg_get_serial_sequence('users', 'id'))), $2, true, $3, $4, $5,
                       CASE WHEN $5::text IS NULL THEN NULL ELSE $8::timestamptz END,
                       CASE WHEN $3::text IS NULL THEN 'minimal' ELSE 'basic' END, $6, $7, $8, $8, $8, $9, 1)
               ON CONFLICT (phone) DO UPDATE SET phone_verified = true
               RETURNING u.id, u.phone, u.email, u.email_verified, u.full_name, u.role, u.password_hash, u.profile_completion,
                         u.is_active, u.preferred_language, u.token_epoch, u.password_temporary_until,
                         u.authenticator_failures::text AS "failures!",
                         (SELECT f.method FROM two_factors f WHERE f.user_id = u.id) AS method,
                         (u.xmax = 0) AS "is_new!""#,
            new.id.map(UserId::get),
            new.phone.as_str(),
            new.full_name,
            new.email,
            new.password_hash,
            new.via,
            new.language.as_str(),
            now,
            new.method,
        )
        .fetch_one(self.connection())
        .await?;
        let is_new = row.is_new;
        let account = Row {
            id: row.id,
            phone: row.phone,
            email: row.email,
            email_verified: row.email_verified,
            full_name: row.full_name,
            role: row.role,
            password_hash: row.password_hash,
            profile_completion: row.profile_completion,
            is_active: row.is_active,
            preferred_language: row.preferred_language,
            token_epoch: row.token_epoch,
            method: row.method,
            password_temporary_until: row.password_temporary_until,
            failures: row.failures,
        };
        Ok((account.try_into()?, is_new))
    }

    /// The account with this id, as it is at this moment. Returns `None` if there is none.
    pub async fn account(&mut self, id: UserId) -> Result<Option<Account>, Error> {
        sqlx::query_as!(
            Row,
            "SELECT u.id, u.phone, u.email, u.email_verified, u.full_name, u.role, u.password_hash, u.profile_completion,
                    u.is_active, u.preferred_language, u.token_epoch, u.password_temporary_until,
                    u.authenticator_failures::text AS \"failures!\", f.method AS \"method?\"
             FROM users u LEFT JOIN two_factors f ON f.user_id = u.id WHERE u.id = $1",
            id.get()
        )
        .fetch_optional(self.connection())
        .await?
        .map(Account::try_from)
        .transpose()
    }

    /// The account with this id, its row locked until the end. Returns `None` if there is none.
    pub async fn lock_account(&mut self, id: UserId) -> Result<Option<Account>, Error> {
        sqlx::query_as!(
            Row,
            "SELECT u.id, u.phone, u.email, u.email_verified, u.full_name, u.role, u.password_hash, u.profile_completion, u.is_active,
                    u.preferred_language, u.token_epoch, u.password_temporary_until,
                    u.authenticator_failures::text AS \"failures!\",
                    (SELECT f.method FROM two_factors f WHERE f.user_id = u.id) AS method
             FROM users u WHERE u.id = $1 FOR NO KEY UPDATE",
            id.get()
        )
        .fetch_optional(self.connection())
        .await?
        .map(Account::try_from)
        .transpose()
    }

    /// Locks the row of a user until the end, before their sessions are. Nothing is locked if there is none.
    pub async fn lock_user(&mut self, id: UserId) -> Result<(), Error> {
        sqlx::query!("SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE", id.get())
            .fetch_optional(self.connection())
            .await?;
        Ok(())
    }

    /// Stores the hash of a password that its owner chose.
    pub async fn set_password(&mut self, id: UserId, hash: &str, now: DateTime<Utc>) -> Result<(), Error> {
        sqlx::query!(
            "UPDATE users SET password_hash = $2, password_temporary_until = NULL, password_changed_at = $3,
                              updated_at = $3, authenticator_failures = authenticator_failures - 'password'
             WHERE id = $1",
            id.get(),
            hash,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Replaces the hash of the same password, unless the password was changed meanwhile.
    pub async fn renew_password_hash(&mut self, id: UserId, old: &str, new: &str) -> Result<bool, Error> {
        let done = sqlx::query!(
            "UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2",
            id.get(),
            old,
            new
        )
        .execute(self.connection())
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Stores a known device under the hash by the present key, if it is stored under another of `hashes`, whose first is
    /// that by the present key.
    pub async fn rehash_device(&mut self, id: UserId, hashes: &[[u8; 32]]) -> Result<(), Error> {
        let [present, earlier @ ..] = hashes else { return Ok(()) };
        for hash in earlier {
            sqlx::query!(
                "UPDATE known_devices d SET device_hash = $3 WHERE user_id = $1 AND device_hash = $2
                     AND NOT EXISTS (SELECT 1 FROM known_devices WHERE user_id = $1 AND device_hash = $3)",
                id.get(),
                hash,
                present
            )
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }
}

impl Db {
    /// The account that holds `phone`. Returns `None` if there is none.
    pub async fn account_by_phone(&self, phone: &Phone) -> Result<Option<Account>, Error> {
        sqlx::query_as!(
            Row,
            "SELECT u.id, u.phone, u.email, u.email_verified, u.full_name, u.role, u.password_hash, u.profile_completion, u.is_active,
                    u.preferred_language, u.token_epoch, u.password_temporary_until,
                    u.authenticator_failures::text AS \"failures!\", f.method AS \"method?\"
             FROM users u LEFT JOIN two_factors f ON f.user_id = u.id WHERE u.phone = $1",
            phone.as_str()
        )
        .fetch_optional(self)
        .await?
        .map(Account::try_from)
        .transpose()
    }

    /// The account to which this e-mail belongs, in any case of its ASCII letters, as `contact::email_key` folds them: what
    /// the database's locale would fold besides plays no part. Returns `None` if it is nobody's, or nobody proved it.
    pub async fn account_by_email(&self, email: &str) -> Result<Option<Account>, Error> {
        sqlx::query_as!(
            Row,
            r#"SELECT u.id, u.phone, u.email, u.email_verified, u.full_name, u.role, u.password_hash, u.profile_completion,
                      u.is_active, u.preferred_language, u.token_epoch, u.password_temporary_until,
                      u.authenticator_failures::text AS "failures!", f.method AS "method?"
               FROM users u LEFT JOIN two_factors f ON f.user_id = u.id
               WHERE lower(u.email COLLATE "C") = lower($1::text COLLATE "C")
                 AND (u.email_verified OR u.role IN ('nodal_officer', 'admin', 'auditor'))"#,
            email
        )
        .fetch_optional(self)
        .await?
        .map(Account::try_from)
        .transpose()
    }

    /// The account with this id. Returns `None` if there is none.
    pub async fn account(&self, id: UserId) -> Result<Option<Account>, Error> {
        sqlx::query_as!(
            Row,
            "SELECT u.id, u.phone, u.email, u.email_verified, u.full_name, u.role, u.password_hash, u.profile_completion, u.is_active,
                    u.preferred_language, u.token_epoch, u.password_temporary_until,
                    u.authenticator_failures::text AS \"failures!\", f.method AS \"method?\"
             FROM users u LEFT JOIN two_factors f ON f.user_id = u.id WHERE u.id = $1",
            id.get()
        )
        .fetch_optional(self)
        .await?
        .map(Account::try_from)
        .transpose()
    }

    /// The hash under which a device is known from which the holder of `phone` signed in before, of those it may have.
    pub async fn known_device(&self, phone: &Phone, hashes: &[[u8; 32]]) -> Result<Option<[u8; 32]>, Error> {
        let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
        let known = sqlx::query_scalar!(
            "SELECT d.device_hash FROM known_devices d JOIN users u ON u.id = d.user_id
             WHERE u.phone = $1 AND d.device_hash = ANY($2) ORDER BY d.last_seen DESC LIMIT 1",
            phone.as_str(),
            &hashes
        );
        Ok(known.fetch_optional(self).await?.and_then(|hash| hash.try_into().ok()))
    }

    /// The devices from which the user signed in, by hash.
    pub async fn known_devices(&self, id: UserId) -> Result<Vec<[u8; 32]>, Error> {
        let hashes = sqlx::query_scalar!("SELECT device_hash FROM known_devices WHERE user_id = $1", id.get())
            .fetch_all(self)
            .await?;
        Ok(hashes.into_iter().filter_map(|hash| hash.try_into().ok()).collect())
    }

    /// An id for a user who may come to be.
    pub async fn reserve_user_id(&self) -> Result<UserId, Error> {
        let id = sqlx::query_scalar!(r#"SELECT nextval(pg_get_serial_sequence('users', 'id')) AS "id!""#)
            .fetch_one(self)
            .await?;
        Ok(id.into())
    }
}
