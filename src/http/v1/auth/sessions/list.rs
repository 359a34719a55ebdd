//! `GET /api/v1/auth/sessions`.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use civiclens_actors::domain::principal::SessionId;
use civiclens_actors::sessions::Listed;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated};

/// A session, as its owner sees it.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Session {
    id: i64,
    /// The device, as the client or its browser names it.
    device: Option<String>,
    user_agent: Option<String>,
    /// The address it was opened from.
    ip_address: String,
    /// `otp` or `password`.
    #[schema(example = "otp")]
    login_method: String,
    created_at: DateTime<Utc>,
    /// When it was last used, to within half a minute.
    last_activity: DateTime<Utc>,
    /// The end that no refresh can move.
    expires_at: DateTime<Utc>,
    /// Whether it goes on: true in the list of live sessions, false in the history.
    is_active: bool,
    /// Whether it is the one that asks.
    current: bool,
}

impl Session {
    pub(super) fn of(listed: Listed, is_active: bool, current: SessionId) -> Self {
        Self {
            is_active,
            current: listed.id == current,
            id: listed.id.get(),
            device: listed.device,
            user_agent: listed.user_agent,
            ip_address: listed.ip.to_canonical().to_string(),
            login_method: listed.login_method,
            created_at: listed.created_at,
            last_activity: listed.last_activity,
            expires_at: listed.expires_at,
        }
    }
}

/// The live sessions of a user.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct Sessions {
    /// The one used last first.
    sessions: Vec<Session>,
    /// How many there are.
    total: usize,
}

/// Lists the live sessions of who asks.
#[utoipa::path(get, path = "/api/v1/auth/sessions", operation_id = "list_sessions", tag = "auth",
               security(("bearer" = [])),
               responses((status = 200, body = Sessions),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
) -> Result<Json<Sessions>, ApiError> {
    let principal = authenticated.principal;
    let live = state.sessions.live(principal.user_id).await?;
    let sessions: Vec<Session> =
        live.into_iter().map(|listed| Session::of(listed, true, principal.session_id)).collect();
    Ok(Json(Sessions { total: sessions.len(), sessions }))
}
