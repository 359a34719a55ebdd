//! `/api/v1/admin/users`.

pub(in crate::http) mod invite;
pub(in crate::http) mod revoke_sessions;
pub(in crate::http) mod unlock;
