//! `/api/v1/users`.

pub(in crate::http) mod me;
