//! `[two_factor]`: who needs a second factor.

use civiclens_actors::domain::role::Role;
use serde::{Deserialize, Serialize};

use super::Checks;

/// Who needs a second factor.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TwoFactor {
    /// Whether people may set one up. An enforced role must, whatever this says.
    pub enabled: bool,
    /// The roles that must have one.
    pub enforced_roles: Vec<Role>,
    /// What an authenticator app calls this service.
    pub issuer: String,
}

impl Default for TwoFactor {
    fn default() -> Self {
        Self {
            enabled: true,
            enforced_roles: vec![Role::Admin, Role::Auditor, Role::NodalOfficer],
            issuer: "CivicLens".to_owned(),
        }
    }
}

impl TwoFactor {
    pub(super) fn check(&self, checks: &mut Checks) {
        let plain = (1..=64).contains(&self.issuer.chars().count()) && !self.issuer.contains(':');
        checks.require("two_factor.issuer", plain, "must be 1 to 64 characters without a colon");
    }
}
