//! `[password]`: what hashing a password costs, and how many may wait for it.

use serde::{Deserialize, Serialize};

use super::Checks;

/// What hashing a password costs, and how many may wait for it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Password {
    /// bcrypt's cost: 2^cost rounds.
    pub cost: u32,
    /// Threads that hash; one fewer than cores, and at least one, when none is given.
    pub threads: Option<usize>,
    /// Hashes that may wait for a thread; more are refused.
    pub queue: usize,
}

impl Default for Password {
    fn default() -> Self {
        Self { cost: 12, threads: None, queue: 16 }
    }
}

impl Password {
    pub(super) fn check(&self, checks: &mut Checks, production: bool) {
        let least = if production { 10 } else { 4 };
        checks.require("password.cost", (least..=16).contains(&self.cost), &format!("must be between {least} and 16"));
        checks.require("password.threads", self.threads != Some(0), "must be at least 1");
        checks.require("password.queue", (1..=10_000).contains(&self.queue), "must be between 1 and 10000");
    }
}
