//! Who a request is made by.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::role::Role;

macro_rules! id {
    ($(#[doc = $doc:literal])+ $name:ident) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// The number.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Identifies a user.
    UserId
}
id! {
    /// Identifies a session.
    SessionId
}

/// The holder of a valid access token.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The user.
    pub user_id: UserId,
    /// The role the token was issued for.
    pub role: Role,
    /// The session the token belongs to.
    pub session_id: SessionId,
    /// How the user authenticated (RFC 8176).
    pub amr: Vec<String>,
    /// When the user last proved who they are.
    pub auth_time: DateTime<Utc>,
    /// The user's token epoch at the time of issue: a role change, a suspension or a new password begins another one,
    /// and tokens of earlier epochs open nothing.
    pub token_epoch: i32,
    /// When the token expires.
    pub expires_at: DateTime<Utc>,
}
