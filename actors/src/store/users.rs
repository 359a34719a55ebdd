//! Users.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{Db, Error, UnitOfWork};
use crate::domain::language::Language;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::role::{ProfileLevel, Role};
use crate::domain::user::User;

/// An officer, administrator or auditor to be created.
#[derive(Debug)]
pub struct NewOfficer<'a> {
    /// The id, where one is chosen already.
    pub id: UserId,
    /// The phone, taken as verified.
    pub phone: &'a Phone,
    /// The full name.
    pub full_name: &'a str,
    /// The e-mail.
    pub email: &'a str,
    /// The employee id.
    pub employee_id: &'a str,
    /// The password's hash; `None` for who is invited to choose one.
    pub password_hash: Option<&'a str>,
    /// Until when the password works, where somebody else chose it.
    pub password_temporary_until: Option<DateTime<Utc>>,
    /// The role, one that needs a password.
    pub role: Role,
    /// The department.
    pub department_id: Option<i64>,
    /// Who creates them; `None` for an operator.
    pub created_by: Option<UserId>,
}

pub(super) fn role(name: &str) -> Result<Role, Error> {
    Role::parse(name).ok_or(Error::Inconsistent { table: "users", column: "role" })
}

pub(super) fn level(name: &str) -> Result<ProfileLevel, Error> {
    ProfileLevel::parse(name).ok_or(Error::Inconsistent { table: "users", column: "profile_completion" })
}

pub(super) fn language(code: &str) -> Result<Language, Error> {
    Language::parse(code).ok_or(Error::Inconsistent { table: "users", column: "preferred_language" })
}

impl UnitOfWork {
    /// Creates an officer, administrator or auditor, with the first row of their role's history. Fails with
    /// [`Error::Refused`] if the phone, the e-mail or the employee id belongs to an account, or there is no such department.
    pub async fn insert_officer(&mut self, new: &NewOfficer<'_>, now: DateTime<Utc>) -> Result<(), Error> {
        let (via, reason) = match new.created_by {
            Some(_) => ("admin", "created by an administrator"),
            None => ("operator", "created by an operator"),
        };
        sqlx::query!(
            "INSERT INTO users (id, phone, phone_verified, full_name, email, employee_id, password_hash,
                                password_changed_at, role, department_id, profile_completion, account_created_via,
                                created_at, updated_at, password_temporary_until)
             OVERRIDING SYSTEM VALUE
             VALUES ($1, $2, true, $3, $4, $5, $6, CASE WHEN $6::text IS NULL THEN NULL ELSE $10::timestamptz END, $7, $8,
                     'basic', $9, $10, $10, $11)",
            new.id.get(),
            new.phone.as_str(),
            new.full_name,
            new.email,
            new.employee_id,
            new.password_hash,
            new.role.as_str(),
            new.department_id,
            via,
            now,
            new.password_temporary_until
        )
        .execute(self.connection())
        .await?;
        sqlx::query!(
            "INSERT INTO role_history (user_id, old_role, new_role, changed_by, reason, created_at)
             VALUES ($1, NULL, $2, $3, $4, $5)",
            new.id.get(),
            new.role.as_str(),
            new.created_by.map(UserId::get),
            reason,
            now
        )
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

impl Db {
    /// The highest cost of any stored password that is computed. Returns `None` where there is none. One look at an index.
    pub async fn dearest_password_cost(&self) -> Result<Option<u32>, Error> {
        let dearest = sqlx::query_scalar!(
            r#"SELECT password_cost(password_hash) AS "cost!" FROM users
               WHERE password_cost(password_hash) BETWEEN 4 AND 16
               ORDER BY password_cost(password_hash) DESC LIMIT 1"#
        );
        Ok(dearest.fetch_optional(self).await?.and_then(|cost| cost.try_into().ok()))
    }

    /// The user with this id. Returns `None` if there is none.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        let row = sqlx::query!(
            r#"SELECT u.id, u.phone, u.email, u.full_name, u.role, u.profile_completion, u.reputation_score, u.is_active,
                      u.phone_verified, u.email_verified, u.created_at, u.last_login, u.total_reports, u.total_validations,
                      u.helpful_validations, u.primary_address, u.primary_latitude, u.primary_longitude, u.bio,
                      u.avatar_url, u.preferred_language, u.push_notifications, u.sms_notifications,
                      u.email_notifications, u.department_id, u.employee_id, u.aadhaar_linked, u.digilocker_linked,
                      u.two_fa_enabled, u.account_created_via,
                      ARRAY(SELECT jsonb_build_object('id', a.id, 'area_type', a.area_type, 'area_name', a.area_name,
                                                      'area_data', a.area_data)
                            FROM area_assignments a WHERE a.user_id = u.id AND a.is_active ORDER BY a.id)
                   AS "moderation_areas!: Vec<Value>"
               FROM users u WHERE u.id = $1"#,
            id.get()
        )
        .fetch_optional(self)
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
            .fetch_optional(self)
            .await?;
        code.as_deref().map(language).transpose()
    }

    /// The account that holds `phone`. Returns `None` if there is none.
    pub async fn user_id_of(&self, phone: &Phone) -> Result<Option<UserId>, Error> {
        let id =
            sqlx::query_scalar!("SELECT id FROM users WHERE phone = $1", phone.as_str()).fetch_optional(self).await?;
        Ok(id.map(UserId::from))
    }
}
