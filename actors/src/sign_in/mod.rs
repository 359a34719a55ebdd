//! Signing in: proofs, one after the other, then a session. Composes the Otp, Passwords, Sessions and second-factor
//! components under the guard, and owns nothing itself.
//!
//! What was proven so far is kept in Redis for a few minutes under the hash of an opaque token, which opens nothing but the
//! next step. A code that was spent for a login that PostgreSQL then could not finish becomes valid again, so that an outage
//! costs the user a retry and not one of three codes an hour. A code that led to an answer nobody got leads to the same answer
//! once more: the same session, of which there is one for a code, or the same next step.

mod code;
mod error;
mod invitation;
mod password;
mod second_step;
mod signup;

use std::sync::Arc;
use std::time::Duration;

use redis::Script;
use uuid::Uuid;

pub use self::error::Error;
pub use self::password::{Credentials, Portal};
pub use self::second_step::StepRef;
pub use self::signup::{NewSignup, SignupStarted};
pub use crate::sessions::Opened;

use crate::domain::backup_code::BackupCode;
use crate::domain::client::Device;
use crate::domain::clock::Clock;
use crate::domain::device_token::DeviceId;
use crate::domain::entropy::Entropy;
use crate::domain::keys::HashKey;
use crate::domain::limit::Budget;
use crate::domain::secret::Secret;
use crate::guard::Guard;
use crate::limits::Subject;
use crate::sessions::{OpenSession, SignIn};
use crate::short_memory::{ShortMemory, script};
use crate::store::Db;
use crate::{credentials, otp, passwords, sessions, two_factor};

/// What signing in works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// PostgreSQL.
    pub db: Db,
    /// Redis.
    pub memory: ShortMemory,
    /// Codes by SMS.
    pub otp: otp::Handle,
    /// Hashes and verifies passwords.
    pub passwords: passwords::Handle,
    /// Sets first passwords.
    pub credentials: credentials::Handle,
    /// Opens sessions.
    pub sessions: sessions::Handle,
    /// Second factors.
    pub two_factor: two_factor::Handle,
    /// Admits attempts and counts failures.
    pub guard: Guard,
    /// Hashes tokens.
    pub hash_key: HashKey,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// How a sign-in went on.
#[derive(Debug)]
pub struct SignedIn {
    /// A session, or what is missing to one.
    pub outcome: Outcome,
    /// What is left of the limit that this drew on.
    pub budget: Option<Budget>,
    /// The one-time code that led to it, which can be answered again if nobody gets the answer.
    pub code: Option<otp::CodeRef>,
    /// The last step that led to it, which can be answered again if nobody gets the answer.
    pub step: Option<StepRef>,
    /// The device that the session is open on, to be told its token.
    pub device: Option<DeviceId>,
    /// Backup codes, if a second factor was set up on the way. They are shown this once.
    pub backup_codes: Vec<BackupCode>,
}

/// A session, or what is missing to one.
#[derive(Debug)]
pub enum Outcome {
    /// A session is open.
    Session(Box<Opened>),
    /// Another proof is needed.
    SecondStep(SecondStep),
    /// A second factor must be set up first.
    Enrolment(SecondStep),
}

/// A step that was passed. Its token opens nothing but the next.
#[derive(Debug)]
pub struct SecondStep {
    /// Proves the steps so far.
    pub mfa_token: Secret,
    /// What the next step may be, or which second factors may be set up.
    pub methods: Vec<&'static str>,
    /// How long the token lives.
    pub expires_in: Duration,
}

/// The door to signing in. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    parts: Arc<Parts>,
    keep_signup: Script,
}

/// Who opens a session: whose failures are forgiven then, and on which device.
struct Entering<'a> {
    subject: &'a Subject,
    /// The id of the code that was the first step. What it leads to is the same however often it is entered.
    first: Option<Uuid>,
    device: Option<&'a Device>,
}

impl Handle {
    /// Composes the components.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts), keep_signup: script(include_str!("scripts/signup.lua")) }
    }

    /// Opens a session, or keeps what was proven so far.
    async fn enter(&self, message: OpenSession, entering: &Entering<'_>) -> Result<Outcome, Error> {
        match self.parts.sessions.open(message).await? {
            SignIn::Session(opened) => Ok(Outcome::Session(opened)),
            SignIn::Pending(pending) => self.keep_pending(pending, entering).await,
        }
    }
}

impl SignedIn {
    /// The same, on `device`.
    fn on(self, device: Option<Device>) -> Self {
        Self { device: device.map(|device| device.issued), ..self }
    }
}

impl From<Outcome> for SignedIn {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, budget: None, code: None, step: None, device: None, backup_codes: Vec::new() }
    }
}
