//! `/api/v1/admin`: for administrators.

pub(in crate::http) mod users;
