//! What the Sessions actor is asked, and what it answers.

use std::time::Duration;

use actix::Message;

use super::Error;
use crate::domain::client::{Client, Device};
use crate::domain::phone::Phone;
use crate::domain::principal::{SessionId, UserId};
use crate::domain::role::{ProfileLevel, Role};
use crate::domain::secret::Secret;

/// Open a session for who proved to hold a phone.
#[derive(Debug, Message)]
#[rtype(result = "Result<SignIn, Error>")]
pub struct OpenSession {
    /// The proven phone.
    pub phone: Phone,
    /// The device, as the client describes it.
    pub device: Option<Device>,
    /// The client.
    pub client: Client,
}

/// How a sign-in went on.
#[derive(Debug)]
pub enum SignIn {
    /// A session is open.
    Session(Box<Opened>),
    /// This account needs another proof first.
    SecondStep(SecondStep),
}

/// An open session and its tokens.
#[derive(Debug)]
pub struct Opened {
    /// The access token.
    pub access_token: Secret,
    /// How long it lives.
    pub expires_in: Duration,
    /// The refresh token.
    pub refresh_token: Secret,
    /// The user.
    pub user_id: UserId,
    /// Their role.
    pub role: Role,
    /// The session.
    pub session_id: SessionId,
    /// How much of their profile is there.
    pub profile_completion: ProfileLevel,
    /// Whether this login made the account.
    pub is_new_user: bool,
}

/// A first step that was passed. Its token opens nothing but the second.
#[derive(Debug)]
pub struct SecondStep {
    /// Proves the first step.
    pub mfa_token: Secret,
    /// What the second step may be.
    pub methods: Vec<&'static str>,
    /// How long the token lives.
    pub expires_in: Duration,
}

/// End a session.
#[derive(Debug, Message)]
#[rtype(result = "Result<(), Error>")]
pub struct RevokeSession {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
    /// Why.
    pub reason: &'static str,
    /// Who asked.
    pub client: Client,
}

/// End the loop and stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;
