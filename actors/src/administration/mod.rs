//! What administrators do to other people's accounts: create officers, invite them, end locks.
//!
//! Owns nothing. Each act and its audit row are one transaction. May touch: the store, Redis (locks).

mod error;
mod invitations;

use std::sync::Arc;

use chrono::{DateTime, Datelike, Duration, Utc};
use civiclens_nats::events::officer;

pub use self::error::Error;
use self::invitations::Invited;
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::fair_queue::Requester;
use crate::domain::keys::{HashKey, Sealer};
use crate::domain::language::Language;
use crate::domain::password::About;
use crate::domain::phone::Phone;
use crate::domain::principal::{Principal, UserId};
use crate::domain::recent_proof::Act;
use crate::domain::role::Role;
use crate::domain::secret::Secret;
use crate::events::Events;
use crate::limits::{Lockout, Subject};
use crate::store::users::NewOfficer;
use crate::store::{self, Db};
use crate::{passwords, sessions};

/// How often another employee id is tried where the one that was made up belongs to somebody.
const TRIES: u32 = 3;

/// What administration works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// PostgreSQL.
    pub db: Db,
    /// Judges and hashes passwords.
    pub passwords: passwords::Handle,
    /// Knows the locks.
    pub lockout: Lockout,
    /// Makes events.
    pub events: Events,
    /// Ends sessions.
    pub sessions: sessions::Handle,
    /// Hashes the tokens of invitations.
    pub hash_key: HashKey,
    /// Seals them inside jobs.
    pub sealer: Arc<Sealer>,
    /// For how long a password works that an administrator chose.
    pub temporary_password: Duration,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// An officer, administrator or auditor to be created.
#[derive(Debug)]
pub struct Officer {
    /// The phone.
    pub phone: Phone,
    /// The e-mail.
    pub email: String,
    /// The name.
    pub full_name: String,
    /// The first password, which works for some days only; without one they are invited to choose it.
    pub password: Option<Secret>,
    /// The role, one that needs a password.
    pub role: Role,
    /// The employee id; made up where none is given: `EMP-<year>-<user id>`, of six digits at least.
    pub employee_id: Option<String>,
    /// The department.
    pub department_id: Option<i64>,
}

/// An officer who was created.
#[derive(Debug)]
pub struct Created {
    /// The user.
    pub user_id: UserId,
    /// Their employee id, given or made up.
    pub employee_id: String,
    /// Whether they were sent an invitation.
    pub invited: bool,
}

/// The door to administration. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    parts: Arc<Parts>,
}

impl Handle {
    /// An administration of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// Creates an officer, with a temporary password or an invitation. Fails with [`Error::Taken`] if the phone, the e-mail or the employee id belongs to an account, and
    /// leaves nothing half-made.
    pub async fn create_officer(&self, admin: &Principal, new: Officer, client: &Client) -> Result<Created, Error> {
        if !new.role.needs_password() {
            return Err(Error::NotAnOfficer);
        }
        let about = About {
            phone: Some(new.phone.clone()),
            full_name: Some(new.full_name.clone()),
            email: Some(new.email.clone()),
        };
        let act = if new.role == Role::Admin { Act::GrantAdmin } else { Act::CreateOfficer };
        self.parts.sessions.require_recent(admin, act).await?;
        let hash = match &new.password {
            Some(password) => {
                self.parts.passwords.check("password", password.clone(), about, client).await?;
                Some(self.parts.passwords.hash(password.clone(), Requester::address(client)).await?)
            }
            None => None,
        };
        let mut tries = 0;
        loop {
            tries += 1;
            match self.insert(admin, &new, hash.as_deref(), client).await {
                Err(Error::Taken("employee_id")) if new.employee_id.is_none() && tries < TRIES => {}
                outcome => return outcome,
            }
        }
    }

    async fn insert(
        &self,
        admin: &Principal,
        new: &Officer,
        hash: Option<&str>,
        client: &Client,
    ) -> Result<Created, Error> {
        let now = self.parts.clock.now();
        let id = self.parts.db.reserve_user_id().await?;
        let employee_id = new.employee_id.clone().unwrap_or_else(|| employee_id(id, now));
        let mut work = self.parts.db.begin().await?;
        let row = NewOfficer {
            id,
            phone: &new.phone,
            full_name: &new.full_name,
            email: &new.email,
            employee_id: &employee_id,
            password_hash: hash,
            password_temporary_until: hash.map(|_| now + self.parts.temporary_password),
            role: new.role,
            department_id: new.department_id,
            created_by: Some(admin.user_id),
        };
        work.insert_officer(&row, now).await.map_err(taken)?;
        let mut entry = Entry::by_user(Action::OfficerCreated, id, client).with("role", new.role.as_str());
        entry.actor = Some(admin.user_id);
        work.record(entry);
        let event = officer::CreatedV1 {
            user_id: id.get(),
            role: new.role.as_str().to_owned(),
            employee_id: employee_id.clone(),
            department_id: new.department_id,
            created_by: admin.user_id.get(),
            created_at: now,
        };
        work.announce(self.parts.events.event(id, event, client, now)?);
        if hash.is_none() {
            let invited = Invited { id, role: new.role, email: &new.email, language: Language::default() };
            self.invite_in(&mut work, admin, &invited, client, now).await?;
        }
        work.commit(now).await.map_err(taken)?;
        Ok(Created { user_id: id, employee_id, invited: hash.is_none() })
    }

    /// Ends the lock of an account, for strangers, for each of its devices and sessions, and for resets, and forgets its failures.
    /// Authenticators that are off because they failed too often are on again. It is recorded first: an unlock that Redis did not take is seen, and done again.
    pub async fn unlock(&self, admin: &Principal, user: UserId, client: &Client) -> Result<(), Error> {
        let account = self.parts.db.account(user).await?.ok_or(Error::UnknownUser)?;
        self.parts.sessions.require_recent(admin, Act::Unlock.done_to(account.role)).await?;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        work.forget_failures(user, None).await?;
        let mut entry = Entry::by_user(Action::AccountUnlocked, user, client);
        entry.actor = Some(admin.user_id);
        work.record(entry);
        work.commit(now).await?;
        let mut subjects = vec![Subject::stranger(&account.phone), Subject::reset(&account.phone)];
        let devices = self.parts.db.known_devices(user).await?;
        subjects.extend(devices.iter().map(|hash| Subject::device(&account.phone, hash)));
        let sessions = self.parts.db.live_sessions(user, now).await?;
        subjects.extend(sessions.iter().map(|session| Subject::session(&account.phone, session.id)));
        Ok(self.parts.lockout.forgive(&subjects).await?)
    }
}

/// The employee id of who was given none.
fn employee_id(id: UserId, now: DateTime<Utc>) -> String {
    format!("EMP-{}-{:06}", now.year(), id.get())
}

/// Says which field belongs to somebody else.
fn taken(error: store::Error) -> Error {
    let field = match &error {
        store::Error::Refused { constraint, .. } => match constraint.as_str() {
            "users_phone_key" => Some("phone"),
            "users_email_key" => Some("email"),
            "users_employee_id_key" => Some("employee_id"),
            "users_department_id_fkey" => return Error::UnknownDepartment,
            _ => None,
        },
        _ => None,
    };
    field.map_or_else(|| Error::Store(error), Error::Taken)
}
