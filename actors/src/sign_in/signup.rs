//! Signing up with a password: nothing is an account before its phone is verified.
//!
//! What was given waits in Redis as long as the code lives. The answer, an id included, is the same whether or not the
//! phone has an account: if it has, verifying it signs its owner in and what was given is forgotten.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Error, Handle, SignedIn};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::{Client, Device};
use crate::domain::fair_queue::Requester;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::password::About;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::secret::Secret;
use crate::limits::millis;
use crate::otp;
use crate::sessions::{Entrant, Signup};

/// What somebody signs up with.
#[derive(Debug)]
pub struct NewSignup {
    /// The phone.
    pub phone: Phone,
    /// The name.
    pub full_name: String,
    /// The e-mail.
    pub email: Option<String>,
    /// The password.
    pub password: Secret,
}

/// A sign-up that waits for its phone to be verified.
#[derive(Debug)]
pub struct SignupStarted {
    /// The id the user will have.
    pub user_id: UserId,
    /// What the client is told of the code.
    pub requested: otp::Requested,
}

/// What waits in Redis.
#[derive(Serialize, Deserialize)]
struct Waiting {
    user_id: UserId,
    full_name: String,
    email: Option<String>,
    password_hash: String,
}

impl Handle {
    fn signup_key(&self, phone: &Phone) -> String {
        self.parts.memory.key(&["signup", phone.as_str()])
    }

    /// What waits for this phone to be verified, and whether more than one claimed it.
    async fn signup_of(&self, phone: &Phone) -> Result<Option<(Waiting, bool)>, Error> {
        let mut get = redis::cmd("HMGET");
        get.arg(self.signup_key(phone)).arg("state").arg("contested");
        let (state, contested): (Option<String>, Option<String>) = self.parts.memory.command(&get).await?;
        let waiting = state.and_then(|state| serde_json::from_str(&state).ok());
        Ok(waiting.map(|waiting| (waiting, contested.is_some())))
    }

    /// Begins a sign-up and sends the code that verifies the phone.
    pub async fn sign_up(&self, new: NewSignup, client: Client) -> Result<SignupStarted, Error> {
        let NewSignup { phone, full_name, email, password } = new;
        let about = About { phone: Some(phone.clone()), full_name: Some(full_name.clone()), email: email.clone() };
        // It has a limit by address before it, and the budgets of codes come before the expensive hash.
        self.parts.passwords.check("password", password.clone(), about, &client).await?;
        let issued = self.parts.otp.issue(phone.clone(), Purpose::VerifyPhone, client.clone()).await?;
        let kept = self.keep_signup(&phone, (full_name, email, password), issued.requested.expires_in, &client).await;
        match kept {
            Ok(user_id) => Ok(SignupStarted { user_id, requested: self.parts.otp.send(issued).await? }),
            Err(error) => {
                self.parts.otp.withdraw(issued).await;
                Err(error)
            }
        }
    }

    async fn keep_signup(
        &self,
        phone: &Phone,
        (full_name, email, password): (String, Option<String>, Secret),
        life: Duration,
        client: &Client,
    ) -> Result<UserId, Error> {
        // The same claim made again is no other one.
        let before = self.signup_of(phone).await?;
        let requester = Requester::address(client);
        let (expected, same) = match before {
            None => (String::new(), true),
            Some((claim, contested)) => {
                let stored = Some(claim.password_hash);
                let verdict = self.parts.passwords.verify(password.clone(), stored, requester.clone()).await?;
                (claim.user_id.to_string(), verdict.matches && !contested)
            }
        };
        let password_hash = self.parts.passwords.hash(password, requester).await?;
        let user_id = self.parts.db.reserve_user_id().await?;
        let waiting = Waiting { user_id, full_name, email, password_hash };
        let mut keep = self.keep_signup.prepare_invoke();
        keep.key(self.signup_key(phone))
            .arg(expected)
            .arg(u8::from(same))
            .arg(user_id.to_string())
            .arg(serde_json::to_string(&waiting)?)
            .arg(millis(life));
        self.parts.memory.run::<()>(&keep).await?;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        work.record(Entry::by_stranger(Action::SignupStarted, client));
        work.commit(now).await?;
        Ok(user_id)
    }

    /// Verifies the phone of a sign-up and opens the first session of the account that comes of it.
    pub async fn verify_phone(
        &self,
        phone: Phone,
        code: OtpCode,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let entrant = match self.signup_of(&phone).await? {
            Some((Waiting { user_id, full_name, email, password_hash }, false)) => {
                Entrant::Signup(phone.clone(), Signup { user_id, full_name, email, password_hash })
            }
            // Nobody signed up, or two did at once: the phone is proven, and nothing else.
            _ => Entrant::Phone(phone.clone()),
        };
        let signed_in =
            self.spend_and_enter(phone.clone(), Purpose::VerifyPhone, code, entrant, device, client).await?;
        let mut delete = redis::cmd("DEL");
        if let Err(error) = self.parts.memory.command::<()>(delete.arg(self.signup_key(&phone))).await {
            tracing::debug!(%error, "a finished sign-up stays until it expires");
        }
        Ok(signed_in)
    }
}
