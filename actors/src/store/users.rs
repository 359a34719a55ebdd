//! Users.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Db, Error, UnitOfWork};
use crate::accounts::User;
use crate::domain::language::Language;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::role::{ProfileLevel, Role};

/// What a login needs to know of a user.
#[derive(Clone, Debug)]
pub struct LoginUser {
    /// The user.
    pub id: UserId,
    /// Their role.
    pub role: Role,
    /// How much of their profile is there.
    pub profile_completion: ProfileLevel,
    /// Whether they may log in.
    pub is_active: bool,
    /// The language of their messages.
    pub preferred_language: Language,
    /// Whether this login made them.
    pub is_new: bool,
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

fn role(name: &str) -> Result<Role, Error> {
    Role::parse(name).ok_or(Error::Inconsistent { table: "users", column: "role" })
}

fn level(name: &str) -> Result<ProfileLevel, Error> {
    ProfileLevel::parse(name).ok_or(Error::Inconsistent { table: "users", column: "profile_completion" })
}

fn language(code: &str) -> Result<Language, Error> {
    Language::parse(code).ok_or(Error::Inconsistent { table: "users", column: "preferred_language" })
}

impl UnitOfWork {
    /// Finds the user who proved to hold `phone`, or creates a citizen, and counts the login of an active one. Holds the
    /// row's lock until the end: what follows for one user happens in one order. Two first logins at once make one user.
    pub async fn sign_in_by_phone(
        &mut self,
        phone: &Phone,
        language_hint: Language,
        method: &str,
        now: DateTime<Utc>,
    ) -> Result<LoginUser, Error> {
        // `xmax = 0` tells a row this statement inserted from one it found. A login of an officer is counted when the
        // second step is done, so only the lock is taken for them.
        let row = sqlx::query!(
            r#"INSERT INTO users AS u (phone, phone_verified, account_created_via, preferred_language, created_at,
                                       updated_at, last_login, last_login_method, login_count)
               VALUES ($1, true, 'otp', $2, $3, $3, $3, $4, 1)
               ON CONFLICT (phone) DO UPDATE SET
                   phone_verified = true,
                   last_login = CASE WHEN u.is_active AND u.role NOT IN ('nodal_officer', 'admin', 'auditor')
                                     THEN $3 ELSE u.last_login END,
                   last_login_method = CASE WHEN u.is_active AND u.role NOT IN ('nodal_officer', 'admin', 'auditor')
                                            THEN $4 ELSE u.last_login_method END,
                   login_count = u.login_count + (u.is_active AND u.role NOT IN ('nodal_officer', 'admin', 'auditor'))::int
               RETURNING u.id, u.role, u.profile_completion, u.is_active, u.preferred_language, (u.xmax = 0) AS "is_new!""#,
            phone.as_str(),
            language_hint.as_str(),
            now,
            method,
        )
        .fetch_one(self.connection())
        .await?;
        Ok(LoginUser {
            id: row.id.into(),
            role: role(&row.role)?,
            profile_completion: level(&row.profile_completion)?,
            is_active: row.is_active,
            preferred_language: language(&row.preferred_language)?,
            is_new: row.is_new,
        })
    }

    /// Creates an administrator. Returns `None` if the phone has an account already.
    pub async fn insert_admin(&mut self, new: &NewAdmin<'_>, now: DateTime<Utc>) -> Result<Option<UserId>, Error> {
        let id = sqlx::query_scalar!(
            "INSERT INTO users (phone, phone_verified, full_name, email, employee_id, password_hash, role,
                                profile_completion, account_created_via, created_at, updated_at)
             VALUES ($1, true, $2, $3, $4, $5, 'admin', 'basic', 'operator', $6, $6)
             ON CONFLICT (phone) DO NOTHING RETURNING id",
            new.phone.as_str(),
            new.full_name,
            new.email,
            new.employee_id,
            new.password_hash,
            now
        )
        .fetch_optional(self.connection())
        .await?;
        let Some(id) = id else { return Ok(None) };
        sqlx::query!(
            "INSERT INTO role_history (user_id, old_role, new_role, reason, created_at)
             VALUES ($1, NULL, 'admin', 'created by an operator', $2)",
            id,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(Some(id.into()))
    }
}

impl Db {
    /// The user with this id. Returns `None` if there is none.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        let row = sqlx::query!(
            r#"SELECT u.*, ARRAY(SELECT jsonb_build_object('id', a.id, 'area_type', a.area_type, 'area_name', a.area_name,
                                                            'area_data', a.area_data)
                                 FROM area_assignments a WHERE a.user_id = u.id AND a.is_active ORDER BY a.id)
                   AS "moderation_areas!: Vec<Value>"
               FROM users u WHERE u.id = $1"#,
            id.get()
        )
        .fetch_optional(self.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(User {
            id: row.id.into(),
            phone: Phone::from_stored(row.phone),
            email: row.email,
            full_name: row.full_name,
            role: role(&row.role)?,
            profile_completion: level(&row.profile_completion)?,
            reputation_score: row.reputation_score,
            is_active: row.is_active,
            phone_verified: row.phone_verified,
            email_verified: row.email_verified,
            created_at: row.created_at,
            last_login: row.last_login,
            total_reports: row.total_reports,
            total_validations: row.total_validations,
            helpful_validations: row.helpful_validations,
            primary_address: row.primary_address,
            primary_latitude: row.primary_latitude,
            primary_longitude: row.primary_longitude,
            bio: row.bio,
            avatar_url: row.avatar_url,
            preferred_language: language(&row.preferred_language)?,
            push_notifications: row.push_notifications,
            sms_notifications: row.sms_notifications,
            email_notifications: row.email_notifications,
            department_id: row.department_id,
            employee_id: row.employee_id,
            aadhaar_linked: row.aadhaar_linked,
            digilocker_linked: row.digilocker_linked,
            two_fa_enabled: row.two_fa_enabled,
            account_created_via: row.account_created_via,
            moderation_areas: row.moderation_areas,
        }))
    }

    /// The language that the holder of `phone` chose. Returns `None` if there is no such account.
    pub async fn language_of(&self, phone: &str) -> Result<Option<Language>, Error> {
        let code = sqlx::query_scalar!("SELECT preferred_language FROM users WHERE phone = $1", phone)
            .fetch_optional(self.pool())
            .await?;
        code.as_deref().map(language).transpose()
    }

    /// The account that holds `phone`. Returns `None` if there is none.
    pub async fn user_id_of(&self, phone: &Phone) -> Result<Option<UserId>, Error> {
        let id = sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone.as_str())
            .fetch_optional(self.pool())
            .await?;
        Ok(id.map(UserId::from))
    }
}
