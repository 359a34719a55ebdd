//! `/api/v1`.

pub(super) mod admin;
pub(super) mod auth;
pub(super) mod health;
pub(super) mod users;
