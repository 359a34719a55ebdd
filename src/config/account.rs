//! `[account]`: when an account locks.

use serde::{Deserialize, Serialize};

use super::Checks;

/// When an account locks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// Failed logins after which an account locks.
    pub max_login_attempts: u32,
    /// How long it stays locked.
    pub lockout_minutes: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self { max_login_attempts: 5, lockout_minutes: 30 }
    }
}

impl Account {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.require("account.max_login_attempts", self.max_login_attempts > 0, "must be at least 1");
        checks.require("account.lockout_minutes", self.lockout_minutes > 0, "must be at least 1");
    }
}
