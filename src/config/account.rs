//! `[account]`: when an account locks, and what its password must be.

use civiclens_actors::domain::recent_proof::Policy;
use serde::{Deserialize, Serialize};

use super::Checks;

/// What a password must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasswordPolicy {
    /// 8 to 128 characters with an upper-case letter and a digit, not on the list of common ones.
    Composition,
    /// Length and list only, as NIST SP 800-63B-4 asks of a password that may stand alone: 15 to 128 characters.
    Length,
}

/// Which acts need a recent proof of who is asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SensitiveActs {
    /// Those that cannot be undone, and whatever is done to administrators. Clients that know no such step can do the rest.
    Standard,
    /// Also creating officers, ending locks and sessions, and their like.
    Strict,
}

impl From<SensitiveActs> for Policy {
    fn from(acts: SensitiveActs) -> Self {
        match acts {
            SensitiveActs::Standard => Self::Standard,
            SensitiveActs::Strict => Self::Strict,
        }
    }
}

/// When an account locks, and what its password must be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Account {
    /// Failed logins after which an account locks.
    pub max_login_attempts: u32,
    /// How long it stays locked. Each lock that follows within a day is twice as long as the one before.
    pub lockout_minutes: u32,
    /// The longest that a lock grows to.
    pub lockout_max_minutes: u32,
    /// What a password must be.
    pub password_policy: PasswordPolicy,
    /// The page where a forgotten password is replaced, to which a letter adds `#token=…`. `<server.public_url>/reset-password`
    /// when none is given.
    pub reset_url: Option<url::Url>,
    /// The page where an invitation is accepted, to which a letter adds `#token=…`. `<server.public_url>/accept-invitation` when
    /// none is given.
    pub invitation_url: Option<url::Url>,
    /// Which acts need a recent proof of who is asking.
    pub sensitive_acts: SensitiveActs,
    /// For how many hours a password works that an administrator chose for somebody.
    pub temporary_password_hours: u32,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            max_login_attempts: 5,
            lockout_minutes: 30,
            lockout_max_minutes: 24 * 60,
            password_policy: PasswordPolicy::Composition,
            reset_url: None,
            invitation_url: None,
            sensitive_acts: SensitiveActs::Standard,
            temporary_password_hours: 72,
        }
    }
}

impl Account {
    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        checks.require("account.max_login_attempts", self.max_login_attempts > 0, "must be at least 1");
        checks.require("account.lockout_minutes", self.lockout_minutes > 0, "must be at least 1");
        let grows = (self.lockout_minutes..=7 * 24 * 60).contains(&self.lockout_max_minutes);
        checks.require("account.lockout_max_minutes", grows, "must be between account.lockout_minutes and 10080");
        for (key, page) in [("account.reset_url", &self.reset_url), ("account.invitation_url", &self.invitation_url)] {
            let Some(page) = page else { continue };
            let fits = matches!(page.scheme(), "http" | "https") && page.fragment().is_none();
            checks.require(key, fits, "must be an address that starts with https:// or http://, without a fragment");
            let safe = !fits || !production || page.scheme() == "https";
            checks.require(key, safe, "must start with https:// outside a development environment");
        }
        let hours = (1..=24 * 30).contains(&self.temporary_password_hours);
        checks.require("account.temporary_password_hours", hours, "must be between 1 and 720");
    }
}
