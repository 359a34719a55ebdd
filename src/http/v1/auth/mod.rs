//! `/api/v1/auth`: signing in and out.

pub(in crate::http) mod logout;
pub(in crate::http) mod password_strength;
pub(in crate::http) mod request_otp;
pub(in crate::http) mod verify_otp;
pub(in crate::http) mod whoami;
