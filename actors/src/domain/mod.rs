//! Pure rules and types: no I/O, no async, no clock of its own. Everything here can be tested exhaustively.

pub mod audit;
pub mod backup_code;
pub mod breaker;
pub mod client;
pub mod clock;
pub mod code;
pub mod contact;
pub mod csrf;
pub mod device_cookie;
pub mod device_name;
pub mod entropy;
pub mod keys;
pub mod language;
pub mod limit;
pub mod lockout;
pub mod otp;
pub mod password;
pub mod phone;
pub mod principal;
pub mod refresh;
pub mod role;
pub mod second_step;
pub mod secret;
mod signed;
pub mod token;
pub mod totp;
pub mod user;
