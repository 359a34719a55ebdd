//! `[session]`: how long a session goes on, and how many there may be.

use std::time::Duration;

use civiclens_actors::domain::role::Role;
use serde::{Deserialize, Serialize};

use super::Checks;

/// How long a session goes on, and how many there may be.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Session {
    /// Live sessions of one user; when another opens, the oldest ends.
    pub max_live: u32,
    /// Other numbers for some roles, each written `role=number`.
    pub max_live_by_role: Vec<String>,
    /// A session of a citizen, contributor or moderator ends after this long without a request.
    #[serde(with = "super::human")]
    pub idle: Duration,
    /// The same for officers, administrators and auditors.
    #[serde(with = "super::human")]
    pub officer_idle: Duration,
    /// For how long a proof of who is asking is recent enough for a sensitive change.
    #[serde(with = "super::human")]
    pub step_up: Duration,
    /// How long an ended session stays in the history.
    #[serde(with = "super::human")]
    pub history: Duration,
}

impl Default for Session {
    fn default() -> Self {
        Self {
            max_live: 3,
            max_live_by_role: Vec::new(),
            idle: Duration::from_hours(30 * 24),
            officer_idle: Duration::from_hours(1),
            step_up: Duration::from_mins(5),
            history: Duration::from_hours(90 * 24),
        }
    }
}

/// Reads `role=number`.
fn by_role(text: &str) -> Option<(Role, u32)> {
    let (role, number) = text.split_once('=')?;
    let number = number.trim().parse().ok().filter(|number| (1..=100).contains(number))?;
    Some((Role::parse(role.trim())?, number))
}

impl Session {
    /// How many live sessions a user of `role` may have.
    pub fn max_live_of(&self, role: Role) -> u32 {
        let own = self.max_live_by_role.iter().filter_map(|text| by_role(text)).find(|(known, _)| *known == role);
        own.map_or(self.max_live, |(_, number)| number)
    }

    pub(super) fn check(&self, checks: &mut Checks) {
        checks.require("session.max_live", (1..=100).contains(&self.max_live), "must be between 1 and 100");
        for text in &self.max_live_by_role {
            let known = by_role(text).is_some();
            checks.require("session.max_live_by_role", known, "each must be a role and a number, such as \"admin=1\"");
        }
        for (key, length) in [("session.idle", self.idle), ("session.officer_idle", self.officer_idle)] {
            checks.require(key, length >= Duration::from_mins(1), "must be at least 1m");
        }
        let minutes = Duration::from_mins(1)..=Duration::from_hours(1);
        checks.require("session.step_up", minutes.contains(&self.step_up), "must be between 1m and 1h");
        checks.require("session.history", self.history >= Duration::from_hours(24), "must be at least 1d");
    }
}
