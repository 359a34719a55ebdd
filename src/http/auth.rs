//! Extractor for who is asking: an endpoint that takes [`Authenticated`] cannot be reached without a valid token.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use civiclens_actors::domain::code::Code;
use civiclens_actors::domain::principal::Principal;

use super::{ApiError, ApiState};

/// The holder of the bearer token that came with the request. Answers 401 where there is none that is valid.
#[derive(Debug)]
pub struct Authenticated(pub Principal);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(authenticate(request).map(Self))
    }
}

fn authenticate(request: &HttpRequest) -> Result<Principal, ApiError> {
    let state = request.app_data::<Data<ApiState>>().ok_or_else(|| ApiError::new(Code::Internal))?;
    let token = bearer(request).ok_or_else(|| {
        ApiError::with_detail(Code::Unauthenticated, "This needs a bearer token in the Authorization header.")
    })?;
    Ok(state.sessions.authenticate(token)?)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let mut given = request.headers().get_all(AUTHORIZATION);
    let (only, None) = (given.next()?, given.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}
