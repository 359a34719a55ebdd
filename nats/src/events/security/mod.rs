//! What a security team watches: failed logins and locked accounts.

mod v1;

pub use v1::{AccountLockedV1, LoginFailedV1};
