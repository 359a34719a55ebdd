//! `[otp]`: one-time codes.

use std::time::Duration;

use civiclens_actors::domain::breaker::Mode;
use civiclens_actors::domain::secret::Secret;
use serde::{Deserialize, Serialize};

use super::Checks;

/// One-time codes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otp {
    /// How long a code lives.
    #[serde(with = "super::human")]
    pub lifetime: Duration,
    /// Wrong guesses after which a code is dead.
    pub max_guesses: u32,
    /// When clients are advised to offer "send again"; the budgets alone decide what is refused.
    #[serde(with = "super::human")]
    pub resend_after: Duration,
    /// Domain a browser fills the code in for (the `@domain #code` line).
    pub webotp_domain: Option<String>,
    /// Hash by which Android hands the message to the app.
    pub android_app_hash: Option<String>,
    /// Countries whose numbers get a code, as ISO 3166 alpha-2.
    pub allowed_countries: Vec<String>,
    /// Whether the answer carries the code; development only.
    pub expose_codes: bool,
    /// Keys the hash under which a code is stored.
    pub secret: Secret,
    /// The secret before that one, which still finds the codes it keyed; empty for none.
    pub previous_secret: Secret,
    /// Whether the breaker refuses or only records.
    pub breaker_mode: Mode,
    /// Codes that an address may leave unanswered, besides as many as it entered.
    pub breaker_address_unanswered: u32,
    /// The same for a /24, or a /48 of IPv6.
    pub breaker_network_unanswered: u32,
    /// The same for a /16, or a /32 of IPv6.
    pub breaker_wide_network_unanswered: u32,
    /// Codes sent in the window before the breaker judges.
    pub breaker_min_sent: u32,
    /// Below this share of entered codes sending is paused: somebody is pumping messages.
    pub breaker_min_entered_percent: u32,
    /// The window the breaker looks at.
    #[serde(with = "super::human")]
    pub breaker_window: Duration,
}

impl Default for Otp {
    fn default() -> Self {
        Self {
            lifetime: Duration::from_mins(5),
            max_guesses: 5,
            resend_after: Duration::from_secs(30),
            webotp_domain: None,
            android_app_hash: None,
            allowed_countries: vec!["IN".to_owned()],
            expose_codes: false,
            secret: Secret::from(String::new()),
            previous_secret: Secret::from(String::new()),
            breaker_mode: Mode::Enforce,
            breaker_address_unanswered: 30,
            breaker_network_unanswered: 60,
            breaker_wide_network_unanswered: 300,
            breaker_min_sent: 200,
            breaker_min_entered_percent: 10,
            breaker_window: Duration::from_hours(1),
        }
    }
}

impl Otp {
    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        checks.secret("otp.secret", &self.secret);
        checks.previous_secret("otp.previous_secret", &self.previous_secret);
        checks.require(
            "otp.lifetime",
            (Duration::from_secs(30)..=Duration::from_mins(30)).contains(&self.lifetime),
            "must be between 30s and 30m",
        );
        checks.require("otp.max_guesses", (1..=10).contains(&self.max_guesses), "must be between 1 and 10");
        checks.require("otp.resend_after", self.resend_after < self.lifetime, "must be shorter than otp.lifetime");
        checks.require("otp.allowed_countries", !self.allowed_countries.is_empty(), "must name a country");
        let is_host = |text: &str| {
            let parsed = url::Host::parse(text);
            matches!(parsed, Ok(url::Host::Domain(host)) if host == text) && !text.ends_with('.')
        };
        checks.require(
            "otp.webotp_domain",
            self.webotp_domain.as_deref().is_none_or(is_host),
            "must be a host name and nothing else, such as \"app.civiclens.example\"",
        );
        let is_hash = |text: &str| {
            text.len() == 11 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte))
        };
        checks.require(
            "otp.android_app_hash",
            self.android_app_hash.as_deref().is_none_or(is_hash),
            "must be the 11 characters that the app's signature gives, such as \"FA+9qCX9VSu\"",
        );
        for country in &self.allowed_countries {
            let alpha2 = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
            checks.require("otp.allowed_countries", alpha2, "each must be two capital letters, such as \"IN\"");
        }
        checks.require(
            "otp.breaker_min_entered_percent",
            self.breaker_min_entered_percent <= 100,
            "must be at most 100",
        );
        checks.require("otp.breaker_window", !self.breaker_window.is_zero(), "must be longer than nothing");
        checks.require(
            "otp.expose_codes",
            !(production && self.expose_codes),
            "is refused outside a development environment",
        );
    }
}
