//! `/api/v1`.

pub(super) mod auth;
pub(super) mod users;
