//! Signing up with a password: nothing is an account before its phone is verified.
//!
//! What was given waits in Redis as long as the code lives, bound to the code that was sent for it. The answer, an id included,
//! is the same whether or not the phone has an account: if it has, verifying it signs its owner in and what was given is
//! forgotten. Who proves a phone that several people signed up with is told, and gets no password that somebody else chose.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Error, Handle, Outcome, SignedIn};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::{Client, Device};
use crate::domain::fair_queue::Requester;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::password::About;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::secret::Secret;
use crate::domain::signup::{Claim, Decision, decide};
use crate::limits::millis;
use crate::otp::{self, SpentCode};
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

/// A sign-up as Redis keeps it.
#[derive(Serialize, Deserialize)]
struct Waiting {
    user_id: UserId,
    full_name: String,
    email: Option<String>,
    password_hash: String,
    /// The code of the first sign-up with the same password.
    password: String,
    /// The keyed hash of where it came from.
    from: String,
    started_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Handle {
    fn signup_key(&self, phone: &Phone) -> String {
        self.parts.memory.key(&["signup", phone.as_str()])
    }

    /// Where somebody signs up or proves a phone: the network and the program, which tell one party from another and prove
    /// nothing.
    fn whence(&self, client: &Client) -> String {
        let program = client.user_agent.as_deref().unwrap_or_default();
        hex::encode(self.parts.hash_key.hash("signup_from", &[&client.limit_subject(), program]))
    }

    /// What waits for this phone to be verified, each with the id of its code, oldest first.
    async fn signups_of(&self, phone: &Phone) -> Result<Vec<(String, Waiting)>, Error> {
        let mut get = redis::cmd("HGETALL");
        let kept: HashMap<String, String> = self.parts.memory.command(get.arg(self.signup_key(phone))).await?;
        let now = self.parts.clock.now();
        let read =
            kept.into_iter().filter_map(|(code, state)| Some((code, serde_json::from_str::<Waiting>(&state).ok()?)));
        let mut waiting: Vec<(String, Waiting)> = read.filter(|(_, waiting)| waiting.expires_at > now).collect();
        waiting.sort_by(|(a, x), (b, y)| (x.started_at, a).cmp(&(y.started_at, b)));
        Ok(waiting)
    }

    /// Begins a sign-up and sends the code that verifies the phone.
    pub async fn sign_up(&self, new: NewSignup, client: Client) -> Result<SignupStarted, Error> {
        let about =
            About { phone: Some(new.phone.clone()), full_name: Some(new.full_name.clone()), email: new.email.clone() };
        // It has a limit by address before it, and the budgets of codes come before the expensive hash.
        self.parts.passwords.check("password", new.password.clone(), about, &client).await?;
        let issued = self.parts.otp.issue(new.phone.clone(), Purpose::VerifyPhone, client.clone()).await?;
        match self.keep_signup(new, &issued, &client).await {
            Ok(user_id) => Ok(SignupStarted { user_id, requested: self.parts.otp.send(issued).await? }),
            Err(error) => {
                self.parts.otp.withdraw(issued).await;
                Err(error)
            }
        }
    }

    async fn keep_signup(&self, new: NewSignup, issued: &otp::Issued, client: &Client) -> Result<UserId, Error> {
        let NewSignup { phone, full_name, email, password } = new;
        let code = issued.message.id.to_string();
        let requester = Requester::address(client);
        // The same sign-up made again is no other one.
        let same = match self.signups_of(&phone).await?.pop() {
            Some((_, last)) => {
                let stored = Some(last.password_hash);
                let verdict = self.parts.passwords.verify(password.clone(), stored, requester.clone()).await?;
                verdict.matches.then_some(last.password)
            }
            None => None,
        };
        let password_hash = self.parts.passwords.hash(password, requester).await?;
        let user_id = self.parts.db.reserve_user_id().await?;
        let (now, life) = (self.parts.clock.now(), issued.requested.expires_in);
        let waiting = Waiting {
            user_id,
            full_name,
            email,
            password_hash,
            password: same.unwrap_or_else(|| code.clone()),
            from: self.whence(client),
            started_at: now,
            expires_at: now + life,
        };
        let mut keep = self.keep_signup.prepare_invoke();
        keep.key(self.signup_key(&phone)).arg(code).arg(serde_json::to_string(&waiting)?).arg(millis(life));
        self.parts.memory.run::<()>(&keep).await?;
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
        let (spent, subject) = self.spend(&phone, Purpose::VerifyPhone, code, device.as_ref(), &client).await?;
        let entrant = match self.entrant(&phone, &spent, &client).await {
            Ok(entrant) => entrant,
            Err(error) => {
                self.parts.otp.restore(&spent.code).await;
                return Err(error);
            }
        };
        let claimed = matches!(entrant, Entrant::Signup(..));
        let mut signed_in = self.enter_with_code((spent, subject), entrant, device, client).await?;
        let mut delete = redis::cmd("DEL");
        if let Err(error) = self.parts.memory.command::<()>(delete.arg(self.signup_key(&phone))).await {
            tracing::debug!(%error, "a finished sign-up stays until it expires");
        }
        if let Outcome::Session(opened) = &mut signed_in.outcome {
            // Who is answered again is told what they were told before.
            let set = opened.password_set.unwrap_or(claimed);
            opened.password_set = Some(set && opened.is_new_user);
        }
        Ok(signed_in)
    }

    /// Who enters with a code that was spent: the phone's holder, with what they signed up with, as far as it is theirs.
    async fn entrant(&self, phone: &Phone, spent: &SpentCode, client: &Client) -> Result<Entrant, Error> {
        let (phone, mut waiting) = (phone.clone(), self.signups_of(phone).await?);
        let claims: Vec<Claim<'_>> = waiting
            .iter()
            .map(|(code, waiting)| Claim { code, password: &waiting.password, from: &waiting.from })
            .collect();
        Ok(match decide(&claims, &spent.code.id.to_string(), &self.whence(client)) {
            Decision::Nothing => Entrant::Phone(phone),
            Decision::Refuse => Entrant::Contested(phone),
            Decision::Take { place, contested } => {
                let (_, Waiting { user_id, full_name, email, password_hash, .. }) = waiting.swap_remove(place);
                Entrant::Signup(phone, Signup { user_id, full_name, email, password_hash, contested })
            }
        })
    }
}
