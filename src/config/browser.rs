//! `[cookie]` and `[csrf]`: sessions of browsers.

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// With which requests from other sites a browser sends the session's cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SameSite {
    /// With none.
    Strict,
    /// With a link that is followed.
    Lax,
    /// With all; the CSRF token then is the only guard.
    None,
}

/// The cookies a browser's session lives in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Cookie {
    /// Whether cookies travel over HTTPS only, under the name prefix `__Host-`.
    pub secure: bool,
    /// Whether scripts cannot read them.
    pub http_only: bool,
    /// With which requests from other sites the access cookie is sent; the refresh cookie is always strict.
    pub same_site: SameSite,
}

impl Default for Cookie {
    fn default() -> Self {
        Self { secure: true, http_only: true, same_site: SameSite::Lax }
    }
}

impl Cookie {
    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        checks.require("cookie.secure", self.secure || !production, "must be true outside a development environment");
        checks.require(
            "cookie.http_only",
            self.http_only || !production,
            "must be true outside a development environment",
        );
        let sent = self.same_site != SameSite::None || self.secure;
        checks.require("cookie.same_site", sent, "\"none\" needs cookie.secure: browsers refuse it otherwise");
    }
}

/// The guard against requests that another site makes a browser send.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Csrf {
    /// Signs CSRF tokens and device cookies.
    pub secret: Secret,
    /// The secret before that one, whose tokens and cookies are still accepted; empty for none.
    pub previous_secret: Secret,
}

impl Csrf {
    pub(super) fn check(&self, checks: &mut Checks) {
        checks.secret("csrf.secret", &self.secret);
        checks.previous_secret("csrf.previous_secret", &self.previous_secret);
    }
}
