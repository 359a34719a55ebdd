//! `GET /api/v1/users/me`.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use civiclens_actors::accounts;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated};

/// A user, as they see themselves.
#[derive(Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "existing clients read these fields by these names")]
pub(in crate::http) struct Me {
    id: i64,
    phone: String,
    email: Option<String>,
    full_name: Option<String>,
    role: &'static str,
    profile_completion: &'static str,
    reputation_score: i64,
    is_active: bool,
    phone_verified: bool,
    email_verified: bool,
    created_at: DateTime<Utc>,
    last_login: Option<DateTime<Utc>>,
    total_reports: i64,
    total_validations: i64,
    helpful_validations: i64,
    primary_address: Option<String>,
    primary_latitude: Option<f64>,
    primary_longitude: Option<f64>,
    bio: Option<String>,
    avatar_url: Option<String>,
    preferred_language: &'static str,
    push_notifications: bool,
    sms_notifications: bool,
    email_notifications: bool,
    department_id: Option<i64>,
    employee_id: Option<String>,
    aadhaar_linked: bool,
    digilocker_linked: bool,
    two_fa_enabled: bool,
    account_created_via: String,
    moderation_areas: Vec<serde_json::Value>,
    permissions: Vec<&'static str>,
}

impl From<accounts::User> for Me {
    fn from(user: accounts::User) -> Self {
        Self {
            permissions: user.permissions(),
            id: user.id.get(),
            phone: user.phone.to_string(),
            email: user.email,
            full_name: user.full_name,
            role: user.role.as_str(),
            profile_completion: user.profile_completion.as_str(),
            reputation_score: user.reputation_score.into(),
            is_active: user.is_active,
            phone_verified: user.phone_verified,
            email_verified: user.email_verified,
            created_at: user.created_at,
            last_login: user.last_login,
            total_reports: user.total_reports.into(),
            total_validations: user.total_validations.into(),
            helpful_validations: user.helpful_validations.into(),
            primary_address: user.primary_address,
            primary_latitude: user.primary_latitude,
            primary_longitude: user.primary_longitude,
            bio: user.bio,
            avatar_url: user.avatar_url,
            preferred_language: user.preferred_language.as_str(),
            push_notifications: user.push_notifications,
            sms_notifications: user.sms_notifications,
            email_notifications: user.email_notifications,
            department_id: user.department_id,
            employee_id: user.employee_id,
            aadhaar_linked: user.aadhaar_linked,
            digilocker_linked: user.digilocker_linked,
            two_fa_enabled: user.two_fa_enabled,
            account_created_via: user.account_created_via,
            moderation_areas: user.moderation_areas,
        }
    }
}

/// Answers the profile of the user who asks.
#[utoipa::path(get, path = "/api/v1/users/me", operation_id = "me", tag = "users",
               security(("bearer" = [])),
               responses((status = 200, body = Me),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(state: Data<ApiState>, authenticated: Authenticated) -> Result<Json<Me>, ApiError> {
    let user = state.accounts.me(authenticated.principal.user_id).await?;
    Ok(Json(user.into()))
}
