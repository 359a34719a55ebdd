//! `[sms]`: who carries text messages.

use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// Who carries text messages.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sms {
    /// `twilio` or `log`. Empty stands for `log` in a development environment and is refused outside one.
    pub provider: String,
    /// The provider's name for us (Twilio: account SID).
    pub api_key: Secret,
    /// The provider's secret (Twilio: auth token).
    pub api_secret: Secret,
    /// The number or sender id messages come from.
    pub from: Option<String>,
    /// Replaces the provider's address, for tests and proxies.
    pub base_url: Option<String>,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            provider: String::new(),
            api_key: Secret::from(String::new()),
            api_secret: Secret::from(String::new()),
            from: None,
            base_url: None,
        }
    }
}

impl Sms {
    /// The provider in force: `log` where none is named.
    pub fn provider(&self) -> &str {
        if self.provider.is_empty() { "log" } else { &self.provider }
    }

    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        match self.provider() {
            "log" => checks.require(
                "sms.provider",
                !production,
                "must name a provider (\"twilio\"); only a development environment does without",
            ),
            "twilio" => {
                checks.require("sms.api_key", !self.api_key.is_empty(), "is needed by twilio");
                checks.require("sms.api_secret", !self.api_secret.is_empty(), "is needed by twilio");
                checks.require("sms.from", self.from.is_some(), "is needed by twilio");
            }
            _ => checks.require("sms.provider", false, "must be \"twilio\" or \"log\""),
        }
        if let Some(base) = &self.base_url {
            checks.url("sms.base_url", base, &["http", "https"]);
            checks.provider_tls("sms.base_url", base);
        }
    }
}
