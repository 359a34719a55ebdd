//! Which acts need a recent proof of who is asking, and what is one.
//!
//! A session that was stolen an hour ago must not be enough for what cannot be undone. The table is data, so that what an act
//! needs is read in one place and tested whole.

use chrono::{DateTime, Utc};

use super::role::Role;

/// An act that may need a recent proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Sets up another second factor, replaces one or turns it off.
    ChangeSecondFactor,
    /// Makes new backup codes.
    RenewBackupCodes,
    /// Makes somebody an administrator, new or promoted.
    GrantAdmin,
    /// Ends the lock or the sessions of an administrator.
    ChangeAdmin,
    /// Changes or proves another phone or e-mail.
    ChangeContact,
    /// Asks for an account to be erased.
    Erase,
    /// Reads personal data in the record.
    ReadPersonalData,
    /// Sets or lifts a hold on the record.
    ChangeHolds,
    /// Resets the second factor of somebody else.
    ResetSecondFactor,
    /// Makes, changes or ends service accounts.
    ChangeServiceAccounts,
    /// Makes, changes or ends webhooks.
    ChangeWebhooks,
    /// Changes a role to another than administrator.
    ChangeRole,
    /// Creates an officer or auditor.
    CreateOfficer,
    /// Suspends an account.
    Suspend,
    /// Ends the lock of an account.
    Unlock,
    /// Ends the sessions of somebody else.
    RevokeSessions,
    /// Ends one's own sessions, or any other of them.
    EndOwnSessions,
    /// Exports what a search found.
    Export,
}

/// When an act needs a recent proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Whatever the operator chose.
    Always,
    /// Where the operator chose [`Policy::Strict`].
    IfStrict,
}

/// Which acts the operator wants to need a recent proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Those that need one always. Clients that know no such step can do the rest.
    #[default]
    Standard,
    /// Every act of the table.
    Strict,
}

impl Act {
    /// What this act is when it is done to somebody of `role`: on an administrator it needs a recent proof always.
    pub fn done_to(self, role: Role) -> Self {
        if role == Role::Admin { Self::ChangeAdmin } else { self }
    }

    /// Every act, and when it needs a recent proof.
    pub const TABLE: [(Self, Demand); 18] = [
        (Self::ChangeSecondFactor, Demand::Always),
        (Self::RenewBackupCodes, Demand::Always),
        (Self::GrantAdmin, Demand::Always),
        (Self::ChangeAdmin, Demand::Always),
        (Self::ChangeContact, Demand::Always),
        (Self::Erase, Demand::Always),
        (Self::ReadPersonalData, Demand::Always),
        (Self::ChangeHolds, Demand::Always),
        (Self::ResetSecondFactor, Demand::Always),
        (Self::ChangeServiceAccounts, Demand::Always),
        (Self::ChangeWebhooks, Demand::Always),
        (Self::ChangeRole, Demand::IfStrict),
        (Self::CreateOfficer, Demand::IfStrict),
        (Self::Suspend, Demand::IfStrict),
        (Self::Unlock, Demand::IfStrict),
        (Self::RevokeSessions, Demand::IfStrict),
        (Self::EndOwnSessions, Demand::IfStrict),
        (Self::Export, Demand::IfStrict),
    ];

    /// Whether the act needs a recent proof under `policy`. An act that the table does not name needs one.
    pub fn needs_proof(self, policy: Policy) -> bool {
        let row = Self::TABLE.into_iter().find(|(act, _)| *act == self);
        row.is_none_or(|(_, demand)| demand == Demand::Always || policy == Policy::Strict)
    }
}

/// When a session last proved what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proofs {
    /// Anything: at the sign-in, by the password, by a code of the second factor.
    pub any: DateTime<Utc>,
    /// The second factor in force.
    pub factor: Option<DateTime<Utc>>,
}

impl Proofs {
    /// Whether there is a proof later than `since`: of the second factor where one is in force, else any.
    pub fn are_recent(self, has_factor: bool, since: DateTime<Utc>) -> bool {
        if has_factor { self.factor.is_some_and(|time| time > since) } else { self.any > since }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn every_act_stands_in_the_table_once() {
        for (number, (act, _)) in Act::TABLE.iter().enumerate() {
            assert!(Act::TABLE.iter().skip(number + 1).all(|(other, _)| other != act), "{act:?}");
        }
        // A new act must be given a row: this match does not compile without it, and the sum does not come out.
        let place = |act: Act| match act {
            Act::ChangeSecondFactor => 0,
            Act::RenewBackupCodes => 1,
            Act::GrantAdmin => 2,
            Act::ChangeAdmin => 3,
            Act::ChangeContact => 4,
            Act::Erase => 5,
            Act::ReadPersonalData => 6,
            Act::ChangeHolds => 7,
            Act::ResetSecondFactor => 8,
            Act::ChangeServiceAccounts => 9,
            Act::ChangeWebhooks => 10,
            Act::ChangeRole => 11,
            Act::CreateOfficer => 12,
            Act::Suspend => 13,
            Act::Unlock => 14,
            Act::RevokeSessions => 15,
            Act::EndOwnSessions => 16,
            Act::Export => 17,
        };
        assert!(Act::TABLE.iter().enumerate().all(|(number, (act, _))| place(*act) == number));
    }

    #[test]
    fn strict_asks_for_every_act_and_standard_for_those_that_cannot_be_undone() {
        use Act::*;
        let always = [
            ChangeSecondFactor,
            RenewBackupCodes,
            GrantAdmin,
            ChangeAdmin,
            ChangeContact,
            Erase,
            ReadPersonalData,
            ChangeHolds,
            ResetSecondFactor,
            ChangeServiceAccounts,
            ChangeWebhooks,
        ];
        for (act, _) in Act::TABLE {
            assert!(act.needs_proof(Policy::Strict), "{act:?}");
            assert_eq!(act.needs_proof(Policy::Standard), always.contains(&act), "{act:?}");
        }
        for role in Role::ALL {
            assert_eq!(Unlock.done_to(role), if role == Role::Admin { ChangeAdmin } else { Unlock }, "{role:?}");
        }
        // The old panel knows no such step for these.
        assert!(!CreateOfficer.needs_proof(Policy::default()));
    }

    #[test]
    fn where_a_factor_is_in_force_nothing_else_is_a_proof() {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let ago = |minutes: i64| now - TimeDelta::minutes(minutes);
        let since = ago(5);
        for any in 0..10 {
            for factor in [None, Some(0), Some(4), Some(5), Some(9)] {
                let proofs = Proofs { any: ago(any), factor: factor.map(ago) };
                assert_eq!(proofs.are_recent(false, since), any < 5, "{proofs:?}");
                assert_eq!(proofs.are_recent(true, since), factor.is_some_and(|minutes| minutes < 5), "{proofs:?}");
            }
        }
    }
}
