//! `/api/v1/auth/sessions`.

pub(in crate::http) mod end;
pub(in crate::http) mod history;
pub(in crate::http) mod list;
