//! What a security team watches: failed logins and locked accounts, changed credentials, signs of theft.

mod v1;

pub use v1::{
    AccountLockedV1, AuthenticatorOffV1, LoginFailedV1, NewDeviceV1, PasswordChangedV1, RefreshReusedV1,
    TwoFactorChangedV1,
};
