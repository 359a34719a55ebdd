//! `/api/v1/auth`: signing in and out.

pub(in crate::http) mod accept_invitation;
pub(in crate::http) mod answers;
pub(in crate::http) mod backup_codes;
pub(in crate::http) mod change_password;
pub(in crate::http) mod create_officer;
pub(in crate::http) mod csrf;
pub(in crate::http) mod disable_2fa;
pub(in crate::http) mod enable_2fa;
pub(in crate::http) mod forgot_password;
pub(in crate::http) mod login;
pub(in crate::http) mod logout;
pub(in crate::http) mod logout_all;
pub(in crate::http) mod logout_others;
pub(in crate::http) mod password_strength;
pub(in crate::http) mod refresh_token;
pub(in crate::http) mod request_otp;
pub(in crate::http) mod reset_password;
pub(in crate::http) mod send_2fa_sms;
pub(in crate::http) mod sessions;
pub(in crate::http) mod signup;
pub(in crate::http) mod verify_2fa;
pub(in crate::http) mod verify_otp;
pub(in crate::http) mod verify_password;
pub(in crate::http) mod verify_phone;
pub(in crate::http) mod whoami;
