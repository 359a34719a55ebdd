//! `GET /api/v1/auth/2fa`.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated};

/// The second factor of who asks.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TwoFactorState {
    /// Whether one is set up.
    enabled: bool,
    /// What is set up: `totp` or `sms`.
    #[schema(example = json!(["totp"]))]
    methods: Vec<&'static str>,
    /// Since when.
    since: Option<DateTime<Utc>>,
    /// How many backup codes are left.
    #[schema(minimum = 0, maximum = 10, example = 10)]
    backup_codes_left: i64,
    /// Whether the role must have one.
    enforced: bool,
}

/// Says which second factor is set up, and what is left of its backup codes.
#[utoipa::path(get, path = "/api/v1/auth/2fa", operation_id = "two_factor_state", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = TwoFactorState),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
) -> Result<Json<TwoFactorState>, ApiError> {
    let found = state.two_factor.state(&authenticated.principal).await?;
    Ok(Json(TwoFactorState {
        enabled: found.factor.is_some(),
        methods: found.factor.iter().map(|factor| factor.method.as_str()).collect(),
        since: found.factor.map(|factor| factor.since),
        backup_codes_left: found.factor.map_or(0, |factor| factor.backup_codes_left),
        enforced: found.enforced,
    }))
}
