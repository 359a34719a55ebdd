//! Extractors for who is asking: an endpoint that takes one cannot be reached by anybody else.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use civiclens_actors::domain::audit::{Action, Entry};
use civiclens_actors::domain::code::Code;
use civiclens_actors::domain::principal::Principal;
use civiclens_actors::domain::role::Role;

use super::browser::Kind;
use super::{ApiError, ApiState, Caller, NodeState};

/// The holder of the access token that came with the request, in the Authorization header or in a cookie. Answers 401 where
/// there is none that is valid, and 403 where a cookie came without what must come with it.
#[derive(Debug)]
pub struct Authenticated {
    /// Who it is.
    pub principal: Principal,
    /// Whether a cookie says so.
    pub by_cookie: bool,
}

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

impl Authenticated {
    /// Reads who is asking. A header wins over a cookie.
    pub(super) fn of(request: &HttpRequest) -> Result<Self, ApiError> {
        let state = request.app_data::<Data<ApiState>>().ok_or_else(|| ApiError::new(Code::Internal))?;
        if request.headers().contains_key(AUTHORIZATION) {
            let token = bearer(request).ok_or_else(nothing_valid)?;
            return Ok(Self { principal: state.sessions.authenticate(token)?, by_cookie: false });
        }
        let cookie = state.browser.cookie(request, Kind::Access).ok_or_else(nothing_valid)?;
        let principal = state.sessions.authenticate(cookie.value())?;
        if let Err(error) = state.browser.guard(request, principal.session_id) {
            record_denial(request, state, &principal, error.code);
            return Err(error);
        }
        Ok(Self { principal, by_cookie: true })
    }
}

fn nothing_valid() -> ApiError {
    ApiError::with_detail(Code::Unauthenticated, "This needs a bearer token in the Authorization header.")
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut given = request.headers().get_all(AUTHORIZATION);
    let (only, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// An administrator. Anybody else who is signed in is answered 403, and that is recorded.
#[derive(Debug)]
pub struct Administrator(pub Principal);

impl FromRequest for Administrator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Authenticated::of(request).and_then(|authenticated| {
            let principal = authenticated.principal;
            if principal.role == Role::Admin {
                return Ok(Self(principal));
            }
            if let Some(state) = request.app_data::<Data<ApiState>>() {
                record_denial(request, state, &principal, Code::Forbidden);
            }
            Err(ApiError::with_detail(Code::Forbidden, "This is for administrators."))
        }))
    }
}

/// Records that somebody was refused. The answer does not wait for it: nothing was done that must not be lost.
fn record_denial(request: &HttpRequest, state: &ApiState, principal: &Principal, code: Code) {
    let Ok(Caller(client)) = Caller::of(request) else { return };
    let route = request.match_pattern().unwrap_or_default();
    let entry = Entry::by_user(Action::AccessDenied, principal.user_id, &client)
        .with("code", code.as_str())
        .with("method", request.method().as_str())
        .with("route", route);
    let Some(node) = request.app_data::<Data<NodeState>>() else { return };
    let audit = state.audit.clone();
    node.tasks.leave(async move {
        if let Err(error) = audit.refused(entry).await {
            tracing::warn!(%error, "a refusal could not be recorded");
        }
    });
}
