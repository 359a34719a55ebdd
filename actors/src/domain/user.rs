//! A user, as they see themselves.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::language::Language;
use super::phone::Phone;
use super::principal::UserId;
use super::role::{ProfileLevel, Role};

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
