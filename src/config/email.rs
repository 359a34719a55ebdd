//! `[email]`: who carries electronic mail.

use civiclens_actors::domain::secret::Secret;
use civiclens_actors::notifications::email::Sender;
use serde::{Deserialize, Serialize};

use super::Checks;

/// Who carries electronic mail.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Email {
    /// `smtp` or `log`; empty for the environment's default.
    pub provider: String,
    /// The sender, such as `CivicLens <no-reply@civiclens.example>`.
    pub from: Option<String>,
    /// `smtps://user:password@host:465`, or `smtp://…:587` with STARTTLS; a secret for the password in it.
    pub smtp_url: Secret,
}

impl Email {
    /// The provider in force: `log` where none is named.
    pub fn provider(&self) -> &str {
        if self.provider.is_empty() { "log" } else { &self.provider }
    }

    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        match self.provider() {
            "log" => checks.require(
                "email.provider",
                !production,
                "must name a provider (\"smtp\"); only a development environment does without",
            ),
            "smtp" => {
                checks.url("email.smtp_url", self.smtp_url.expose(), &["smtp", "smtps"]);
                let sender = self.from.as_deref().is_some_and(|text| text.parse::<Sender>().is_ok());
                checks.require(
                    "email.from",
                    sender,
                    "must be a sender such as \"CivicLens <no-reply@civiclens.example>\"",
                );
            }
            _ => checks.require("email.provider", false, "must be \"smtp\" or \"log\""),
        }
    }
}
