//! Frozen: released, and read by others. Do not change a field; a breaking change is a `v2.rs` beside this file.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::schema::{id, object, optional, text, time, word};
use crate::wire::{Described, Payload, millis};

/// An administrator has made an account for an officer, another administrator or an auditor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedV1 {
    /// Who.
    pub user_id: i64,
    /// The role of the account, such as `nodal_officer`.
    pub role: String,
    /// Their number as an employee, given or generated.
    pub employee_id: String,
    /// Where they work; absent when they belong to no department.
    #[serde(default)]
    pub department_id: Option<i64>,
    /// The administrator.
    pub created_by: i64,
    /// When.
    #[serde(with = "millis")]
    pub created_at: DateTime<Utc>,
}

impl Payload for CreatedV1 {
    const NAME: &'static str = "officer.created";
    const VERSION: u16 = 1;
}

impl Described for CreatedV1 {
    const SUMMARY: &'static str = "An administrator has made an account for an officer.";

    fn schema() -> Value {
        object([
            ("user_id", id("The new user.")),
            ("role", word("The role of the account.", &["nodal_officer", "admin", "auditor"])),
            ("employee_id", text("The number of the employee, given or generated.")),
            ("department_id", optional(id("The department they work in."))),
            ("created_by", id("The administrator who made the account.")),
            ("created_at", time("When the account was created.")),
        ])
    }

    fn example() -> Self {
        Self {
            user_id: 43,
            role: "nodal_officer".to_owned(),
            employee_id: "EMP-1970-43".to_owned(),
            department_id: Some(3),
            created_by: 1,
            created_at: DateTime::UNIX_EPOCH,
        }
    }
}

/// An administrator has invited an officer, another administrator or an auditor to choose a first password. An earlier
/// invitation of theirs, and a password that somebody else chose for them, are worthless from then on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitedV1 {
    /// Who.
    pub user_id: i64,
    /// The role of the account, such as `nodal_officer`.
    pub role: String,
    /// The administrator.
    pub invited_by: i64,
    /// When.
    #[serde(with = "millis")]
    pub invited_at: DateTime<Utc>,
    /// Until when the invitation can be accepted.
    #[serde(with = "millis")]
    pub expires_at: DateTime<Utc>,
}

impl Payload for InvitedV1 {
    const NAME: &'static str = "officer.invited";
    const VERSION: u16 = 1;
}

impl Described for InvitedV1 {
    const SUMMARY: &'static str = "An administrator has invited an officer to choose a first password.";

    fn schema() -> Value {
        object([
            ("user_id", id("Who is invited.")),
            ("role", word("The role of the account.", &["nodal_officer", "admin", "auditor"])),
            ("invited_by", id("The administrator who invites.")),
            ("invited_at", time("When the invitation was made. An earlier one is worthless from then on.")),
            ("expires_at", time("Until when it can be accepted.")),
        ])
    }

    fn example() -> Self {
        let invited_at = DateTime::UNIX_EPOCH;
        Self {
            user_id: 43,
            role: "nodal_officer".to_owned(),
            invited_by: 1,
            invited_at,
            expires_at: invited_at + chrono::Duration::hours(72),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn created_is_frozen() {
        crate::testing::frozen::<CreatedV1>();
    }

    #[test]
    fn invited_is_frozen() {
        crate::testing::frozen::<InvitedV1>();
    }
}
