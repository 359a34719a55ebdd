//! The six roles, and what each may do.

use serde::{Deserialize, Serialize};

/// What a person is on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Reports problems.
    Citizen,
    /// A trusted citizen who validates reports.
    Contributor,
    /// Moderates areas.
    Moderator,
    /// A government officer who resolves reports.
    NodalOfficer,
    /// Manages people.
    Admin,
    /// Reads everything and changes nothing.
    Auditor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 6] =
        [Self::Citizen, Self::Contributor, Self::Moderator, Self::NodalOfficer, Self::Admin, Self::Auditor];

    /// The role as it is written in JSON, tokens and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Citizen => "citizen",
            Self::Contributor => "contributor",
            Self::Moderator => "moderator",
            Self::NodalOfficer => "nodal_officer",
            Self::Admin => "admin",
            Self::Auditor => "auditor",
        }
    }

    /// The role with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }

    /// Whether a code sent to a phone is never enough to enter: officers bring a password and a second factor.
    pub const fn needs_password(self) -> bool {
        matches!(self, Self::NodalOfficer | Self::Admin | Self::Auditor)
    }

    /// What an active user of this role may do, by the names that clients know.
    pub fn permissions(self) -> Vec<&'static str> {
        use Role::{Admin, Auditor, Contributor, Moderator, NodalOfficer};
        let rules: [(&str, bool); 6] = [
            ("can_report", true),
            ("can_validate", matches!(self, Contributor | Moderator | Admin)),
            ("can_moderate", matches!(self, Moderator | Admin)),
            ("can_manage_tasks", matches!(self, NodalOfficer | Admin)),
            ("can_access_admin_portal", matches!(self, NodalOfficer | Admin | Auditor)),
            ("has_write_access", self != Auditor),
        ];
        rules.into_iter().filter_map(|(name, holds)| holds.then_some(name)).collect()
    }
}

/// How much of a profile is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProfileLevel {
    /// A phone.
    Minimal,
    /// And a full name.
    Basic,
    /// And an e-mail and a primary address.
    Complete,
}

impl ProfileLevel {
    /// The level as it is written in JSON and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Basic => "basic",
            Self::Complete => "complete",
        }
    }

    /// The level with this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Minimal, Self::Basic, Self::Complete].into_iter().find(|level| level.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_follow_the_contract() {
        let table = Role::ALL.map(|role| format!("{}: {}", role.as_str(), role.permissions().join(" "))).join("\n");
        insta::assert_snapshot!(table, @r"
        citizen: can_report has_write_access
        contributor: can_report can_validate has_write_access
        moderator: can_report can_validate can_moderate has_write_access
        nodal_officer: can_report can_manage_tasks can_access_admin_portal has_write_access
        admin: can_report can_validate can_moderate can_manage_tasks can_access_admin_portal has_write_access
        auditor: can_report can_access_admin_portal
        ");
    }

    #[test]
    fn names_round_trip() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Some(role));
        }
        assert_eq!(Role::parse("root"), None);
    }
}
