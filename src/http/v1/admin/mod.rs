//! `/api/v1/admin`: for administrators.

pub(in crate::http) mod client_address;
pub(in crate::http) mod users;
