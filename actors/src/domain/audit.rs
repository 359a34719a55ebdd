//! What the audit log says: stable action names, ids instead of names, never a secret.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::client::Client;
use super::principal::UserId;

/// What happened. Names are stable: operators and auditors search by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A user came to be.
    UserRegistered,
    /// Someone logged in.
    LoginSucceeded,
    /// The tokens of a session went out again to who did not get them.
    SignInAnsweredAgain,
    /// Someone failed to log in.
    LoginFailed,
    /// Someone passed the first step and needs a second.
    SecondStepRequired,
    /// A session was ended by its owner.
    LoggedOut,
    /// An administrator was created from the command line.
    AdminCreated,
    /// An officer, administrator or auditor was created by an administrator.
    OfficerCreated,
    /// An officer, administrator or auditor was invited to choose a first password.
    OfficerInvited,
    /// An invitation was accepted: its holder chose a password.
    InvitationAccepted,
    /// An invitation that is not valid was refused.
    InvitationRefused,
    /// Somebody asked for an account with a password; it waits for its phone to be verified.
    SignupStarted,
    /// Several people signed up with the phone that became an account.
    SignupContested,
    /// A session was ended by its owner, from another one.
    SessionRevoked,
    /// All sessions of somebody, or all but one, were ended.
    SessionsRevoked,
    /// A refresh token of a session that has ended was refused.
    RefreshRefused,
    /// A refresh token was exchanged for its successor.
    SessionRefreshed,
    /// A session ended because there were too many, or nothing was done with it.
    SessionEnded,
    /// A refresh token came whose successor was used: the session was ended.
    RefreshReused,
    /// An account refuses logins for a while.
    AccountLocked,
    /// An authenticator failed too often in a row: it is off until it is set anew.
    AuthenticatorOff,
    /// An administrator ended a lock.
    AccountUnlocked,
    /// Somebody asked to reset a password.
    PasswordResetRequested,
    /// A password was reset.
    PasswordReset,
    /// A password was reset with a token that is not valid.
    PasswordResetFailed,
    /// A password was changed by its owner.
    PasswordChanged,
    /// A password was given again, rightly.
    PasswordVerified,
    /// A password was given again, wrongly.
    PasswordRefused,
    /// A password's hash was renewed under the present scheme.
    PasswordRehashed,
    /// A second factor is being set up.
    TwoFactorEnrolmentStarted,
    /// A second factor was set up.
    TwoFactorEnabled,
    /// The second factor was turned off.
    TwoFactorDisabled,
    /// A second factor was wrong.
    SecondFactorFailed,
    /// A second factor was shown again, rightly.
    SecondFactorVerified,
    /// New backup codes replaced the old ones.
    BackupCodesRenewed,
    /// A backup code was used.
    BackupCodeUsed,
    /// A known user was refused what they may not do.
    AccessDenied,
    /// A signing key was added or given an end.
    SigningKeyRotated,
    /// What was sealed under the previous sealing key was sealed under the present one.
    SecretsResealed,
}

impl Action {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserRegistered => "user.registered",
            Self::LoginSucceeded => "auth.login_succeeded",
            Self::SignInAnsweredAgain => "auth.sign_in_answered_again",
            Self::LoginFailed => "auth.login_failed",
            Self::SecondStepRequired => "auth.second_step_required",
            Self::LoggedOut => "auth.logged_out",
            Self::AdminCreated => "admin.created",
            Self::OfficerCreated => "officer.created",
            Self::OfficerInvited => "officer.invited",
            Self::InvitationAccepted => "invitation.accepted",
            Self::InvitationRefused => "invitation.refused",
            Self::SignupStarted => "auth.signup_started",
            Self::SignupContested => "auth.signup_contested",
            Self::SessionRevoked => "session.revoked",
            Self::SessionsRevoked => "session.all_revoked",
            Self::RefreshRefused => "session.refresh_refused",
            Self::SessionRefreshed => "session.refreshed",
            Self::SessionEnded => "session.ended",
            Self::RefreshReused => "auth.refresh_reused",
            Self::AccountLocked => "auth.account_locked",
            Self::AuthenticatorOff => "auth.authenticator_off",
            Self::AccountUnlocked => "auth.account_unlocked",
            Self::PasswordResetRequested => "password.reset_requested",
            Self::PasswordReset => "password.reset",
            Self::PasswordResetFailed => "password.reset_failed",
            Self::PasswordChanged => "password.changed",
            Self::PasswordVerified => "password.verified",
            Self::PasswordRefused => "password.refused",
            Self::PasswordRehashed => "password.rehashed",
            Self::TwoFactorEnrolmentStarted => "two_factor.enrolment_started",
            Self::TwoFactorEnabled => "two_factor.enabled",
            Self::TwoFactorDisabled => "two_factor.disabled",
            Self::SecondFactorFailed => "two_factor.failed",
            Self::SecondFactorVerified => "two_factor.verified",
            Self::BackupCodesRenewed => "two_factor.backup_codes_renewed",
            Self::BackupCodeUsed => "two_factor.backup_code_used",
            Self::AccessDenied => "auth.denied",
            Self::SigningKeyRotated => "signing_key.rotated",
            Self::SecretsResealed => "secrets.resealed",
        }
    }
}

/// One row of the audit log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What happened.
    pub action: Action,
    /// Who did it; `None` for a stranger or the system.
    pub actor: Option<UserId>,
    /// Whom it concerns.
    pub subject: Option<UserId>,
    /// The kind of thing concerned besides the user, and its id.
    pub resource: Option<(&'static str, String)>,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The client's user agent.
    pub user_agent: Option<String>,
    /// The request this belongs to.
    pub request_id: Option<String>,
    /// More facts, without personal values.
    pub details: Map<String, Value>,
}

impl Entry {
    /// An entry about `subject`, who did it themselves.
    pub fn by_user(action: Action, subject: UserId, client: &Client) -> Self {
        Self { actor: Some(subject), subject: Some(subject), ..Self::by_stranger(action, client) }
    }

    /// An entry about a client of whom nothing is proven.
    pub fn by_stranger(action: Action, client: &Client) -> Self {
        Self {
            action,
            actor: None,
            subject: None,
            resource: None,
            ip: Some(client.ip),
            user_agent: client.user_agent.clone(),
            request_id: client.request_id.clone(),
            details: Map::new(),
        }
    }

    /// An entry about something done on the operator's command line.
    pub fn by_operator(action: Action, subject: UserId) -> Self {
        Self { subject: Some(subject), ..Self::by_system(action) }
    }

    /// An entry about something that the program did to what belongs to a user.
    pub fn by_system_about(action: Action, subject: UserId) -> Self {
        Self { subject: Some(subject), ..Self::by_system(action) }
    }

    /// An entry about something that the program did, or an operator, and that concerns no user.
    pub fn by_system(action: Action) -> Self {
        Self {
            action,
            actor: None,
            subject: None,
            resource: None,
            ip: None,
            user_agent: None,
            request_id: None,
            details: Map::new(),
        }
    }

    /// Adds the thing concerned.
    pub fn on(mut self, kind: &'static str, id: impl std::fmt::Display) -> Self {
        self.resource = Some((kind, id.to_string()));
        self
    }

    /// The further facts as JSON.
    pub fn details_json(&self) -> String {
        serde_json::json!(self.details).to_string()
    }

    /// Adds a fact.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), value.into());
        self
    }
}
