//! What the Sessions actor is asked, and what it answers.

use std::time::Duration;

use actix::Message;
use uuid::Uuid;

use super::Error;
use crate::domain::client::{Client, Device};
use crate::domain::language::Language;
use crate::domain::phone::Phone;
use crate::domain::principal::{SessionId, UserId};
use crate::domain::refresh::Presented;
use crate::domain::role::{ProfileLevel, Role};
use crate::domain::second_step::Proof;
use crate::domain::secret::Secret;
use crate::store::revocations::Revocation;

/// Who is to enter.
#[derive(Debug)]
pub enum Entrant {
    /// The holder of a proven phone, who becomes a citizen on first sight.
    Phone(Phone),
    /// The same, with what they signed up with.
    Signup(Phone, Signup),
    /// The same, where several people signed up and nothing of it is known to be theirs.
    Contested(Phone),
    /// A user who passed a step before.
    User(UserId),
}

impl Entrant {
    /// What makes the account, if there is none yet.
    pub(super) const fn makes_by(&self) -> &'static str {
        match self {
            Self::Phone(_) | Self::Contested(_) | Self::User(_) => "otp",
            Self::Signup(..) => "password",
        }
    }

    /// Whether several people signed up with the phone.
    pub(super) const fn is_contested(&self) -> bool {
        matches!(self, Self::Contested(_) | Self::Signup(_, Signup { contested: true, .. }))
    }
}

/// What somebody signed up with. Of use only if the phone has no account.
pub struct Signup {
    /// The id that was promised.
    pub user_id: UserId,
    /// The name.
    pub full_name: String,
    /// The e-mail, not proven.
    pub email: Option<String>,
    /// The hash of the password.
    pub password_hash: String,
    /// Whether somebody else signed up with the phone as well.
    pub contested: bool,
}

impl std::fmt::Debug for Signup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Signup({})", self.user_id)
    }
}

/// A second factor to be spent with the login that it completes.
#[derive(Debug)]
pub enum Spend {
    /// A step of TOTP, and the sealed secret that it was judged by.
    TotpStep(i64, String),
    /// The backup code with this hash.
    BackupCode(Vec<[u8; 32]>),
}

/// Open a session, or say what is missing to one.
#[derive(Debug, Message)]
#[rtype(result = "Result<SignIn, Error>")]
pub struct OpenSession {
    /// For whom.
    pub entrant: Entrant,
    /// What they proved.
    pub proven: Vec<Proof>,
    /// How they got in, for rows and events: `otp`, `password`.
    pub method: &'static str,
    /// The token epoch of the account when the first of that was proven; another one makes it worthless. `None` where it is
    /// proven with this message only.
    pub token_epoch: Option<i32>,
    /// What is spent with it.
    pub spend: Option<Spend>,
    /// What it is opened with, where that is good for one session: the id of a one-time code, or of a login of several steps.
    pub proof_id: Option<Uuid>,
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
    Pending(Pending),
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
    /// Until when the session goes on at the latest, from now.
    pub session_expires_in: Duration,
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
    /// Whether somebody else chose the password: it must be changed soon.
    pub password_temporary: bool,
    /// After a sign-up: whether the password that was given with it is in force.
    pub password_set: Option<bool>,
}

/// Somebody presents again what a session may have been opened with.
#[derive(Debug)]
pub struct AskAgain {
    /// What it was opened with.
    pub proof_id: Uuid,
    /// The device that asks.
    pub device: Option<Device>,
    /// Whether it is known that nobody got the answer.
    pub lost: bool,
    /// The client.
    pub client: Client,
}

/// What became of what a session may have been opened with.
#[derive(Debug)]
pub enum Repeated {
    /// A session was opened, and whoever asks gets its tokens: the same session.
    Session(Box<Opened>),
    /// A session was opened, and its tokens are not for whoever asks.
    Refused,
    /// No session was opened with it.
    Nothing,
}

/// A step was passed, and another is needed.
#[derive(Debug)]
pub struct Pending {
    /// Whose login it is.
    pub user_id: UserId,
    /// Their phone.
    pub phone: Phone,
    /// The language of their messages.
    pub language: Language,
    /// What was proven so far.
    pub proven: Vec<Proof>,
    /// In which token epoch of the account.
    pub token_epoch: i32,
    /// What the next step may be; empty if a second factor must be set up.
    pub methods: Vec<&'static str>,
}

/// Exchange a refresh token for the next.
#[derive(Debug, Message)]
#[rtype(result = "Result<Opened, Error>")]
pub struct RefreshSession {
    /// The token.
    pub token: Presented,
    /// The client.
    pub client: Client,
}

/// Which sessions of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All.
    All,
    /// All but this one.
    AllBut(SessionId),
}

/// End sessions. Answers how many were live.
#[derive(Debug, Message)]
#[rtype(result = "Result<usize, Error>")]
pub struct RevokeSessions {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub which: Which,
    /// Why, as the history and the event say it.
    pub reason: &'static str,
    /// Who asked: the user, or an administrator.
    pub actor: UserId,
    /// Through which client.
    pub client: Client,
}

/// What ended in a transaction, to be told to all nodes once it is committed.
#[derive(Debug)]
#[must_use = "sessions that ended must be refused here and everywhere"]
pub struct Ended {
    /// The sessions.
    pub sessions: Vec<Revocation>,
    /// Whose tokens of earlier epochs than this are worthless.
    pub epoch: Option<(UserId, i32)>,
}

/// End the loops and stop.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(super) struct Stop;
