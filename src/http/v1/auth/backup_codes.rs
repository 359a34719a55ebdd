//! `POST /api/v1/auth/backup-codes`.

use actix_web::web::{Data, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::answers::shown;
use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated, Caller};

/// New backup codes.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct BackupCodes {
    /// Ten codes, each good once instead of the second factor. Shown this once.
    backup_codes: Vec<String>,
}

/// Makes ten new backup codes. The old ones are worthless. Needs a recent proof of who is asking.
#[utoipa::path(post, path = "/api/v1/auth/backup-codes", operation_id = "backup_codes", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = BackupCodes),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 403, body = Problem, content_type = "application/problem+json"),
                         (status = 409, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
    caller: Caller,
) -> Result<Json<BackupCodes>, ApiError> {
    let codes = state.two_factor.renew_backup_codes(&authenticated.principal, &caller.0).await?;
    Ok(Json(BackupCodes { backup_codes: shown(&codes) }))
}
