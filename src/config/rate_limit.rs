//! `[rate_limit]`: how often something may be asked for.

use std::time::Duration;

use civiclens_actors::domain::limit::Rate;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::Checks;

/// How often something may be asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimit {
    /// Codes for one phone.
    pub otp: Rate,
    /// Codes for one network address. Wide on purpose: mobile carriers put thousands of subscribers behind one
    /// address, so a narrow limit would lock whole towns out. It only stops a single machine from walking through
    /// the numbering plan.
    pub otp_per_address: Rate,
    /// Failed logins of one phone.
    pub login: Rate,
    /// Failed logins from one network address.
    pub login_per_address: Rate,
    /// Proofs of one account, right ones too: passwords and codes at every place where they are asked for.
    pub proofs: Rate,
    /// Proofs from one network address, right ones too.
    pub proofs_per_address: Rate,
    /// Requests from one network address, counted by each node. Wide: carriers put thousands of subscribers behind one.
    pub requests_per_address: Rate,
    /// Networks without a limit of requests, and whose unanswered codes refuse nobody, such as those of offices: many people
    /// behind one address.
    pub exempt_networks: Vec<IpNet>,
    /// New refresh tokens of one session.
    pub refresh: Rate,
    /// New passwords from one network address that are judged, and as many that are rated for a strength meter. Counted by
    /// each node for itself.
    pub password_strength_per_address: Rate,
    /// Requests to reset the password of one phone or e-mail.
    pub password_reset: Rate,
    /// Requests to reset a password from one network address.
    pub password_reset_per_address: Rate,
}

impl Default for RateLimit {
    fn default() -> Self {
        let (hour, quarter) = (Duration::from_hours(1), Duration::from_mins(15));
        Self {
            otp: Rate { count: 3, window: hour },
            otp_per_address: Rate { count: 300, window: hour },
            login: Rate { count: 5, window: quarter },
            login_per_address: Rate { count: 100, window: quarter },
            proofs: Rate { count: 120, window: hour },
            proofs_per_address: Rate { count: 6000, window: hour },
            requests_per_address: Rate { count: 60_000, window: Duration::from_mins(1) },
            exempt_networks: Vec::new(),
            refresh: Rate { count: 60, window: hour },
            password_strength_per_address: Rate { count: 600, window: Duration::from_mins(1) },
            password_reset: Rate { count: 3, window: hour },
            password_reset_per_address: Rate { count: 30, window: hour },
        }
    }
}

impl RateLimit {
    pub(super) fn check(&self, checks: &mut Checks) {
        for (key, rate) in [
            ("rate_limit.otp", &self.otp),
            ("rate_limit.otp_per_address", &self.otp_per_address),
            ("rate_limit.login", &self.login),
            ("rate_limit.login_per_address", &self.login_per_address),
            ("rate_limit.proofs", &self.proofs),
            ("rate_limit.proofs_per_address", &self.proofs_per_address),
            ("rate_limit.requests_per_address", &self.requests_per_address),
            ("rate_limit.refresh", &self.refresh),
            ("rate_limit.password_strength_per_address", &self.password_strength_per_address),
            ("rate_limit.password_reset", &self.password_reset),
            ("rate_limit.password_reset_per_address", &self.password_reset_per_address),
        ] {
            checks.require(key, rate.count > 0 && !rate.window.is_zero(), "must allow at least one");
        }
    }
}
