//! `GET /api/v1/auth/sessions/history`.

use actix_web::web::{Data, Json};
use chrono::{DateTime, Utc};
use civiclens_actors::domain::principal::SessionId;
use serde::Serialize;
use utoipa::ToSchema;

use super::list::Session;
use crate::http::page::Page;
use crate::http::problem::Problem;
use crate::http::{ApiError, ApiState, Authenticated};

/// A session that has ended.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct EndedSession {
    #[serde(flatten)]
    session: Session,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// How: `logout`, `logout_all`, `logout_others`, `remote_logout`, `expired`, `idle`, `session_limit`, `refresh_reused`,
    /// `password_changed`, `password_reset`, `two_factor_changed`, `role_changed`, `revoked_by_admin`.
    #[schema(example = "logout")]
    end_reason: Option<String>,
}

/// A page of them.
#[derive(Serialize, ToSchema)]
pub(in crate::http) struct EndedSessions {
    /// Newest first.
    data: Vec<EndedSession>,
    /// Where the next page begins; `null` on the last.
    next_cursor: Option<String>,
}

/// Lists the ended sessions of who asks, and how each ended.
#[utoipa::path(get, path = "/api/v1/auth/sessions/history", operation_id = "list_ended_sessions", tag = "auth",
               security(("bearer" = [])),
               params(("cursor" = Option<String>, Query, max_length = 19, pattern = "^[0-9]+$", description = "The `next_cursor` of the page before"),
                      ("limit" = Option<u32>, Query, minimum = 1, maximum = 100, description = "20 where none is given")),
               responses((status = 200, body = EndedSessions),
                         (status = 401, body = Problem, content_type = "application/problem+json"),
                         (status = 422, body = Problem, content_type = "application/problem+json"),
                         (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(in crate::http) async fn handle(
    state: Data<ApiState>,
    authenticated: Authenticated,
    page: Page,
) -> Result<Json<EndedSessions>, ApiError> {
    let principal = authenticated.principal;
    let before = page.cursor.map(SessionId::from);
    let mut ended = state.sessions.ended(principal.user_id, before, page.limit + 1).await?;
    let next_cursor = page.cut(&mut ended).then(|| ended.last().map(|last| last.id.to_string())).flatten();
    let data = ended.into_iter().map(|listed| {
        let (ended_at, end_reason) = listed.ended.clone().unzip();
        EndedSession { session: Session::of(listed, false, principal.session_id), ended_at, end_reason }
    });
    Ok(Json(EndedSessions { data: data.collect(), next_cursor }))
}
