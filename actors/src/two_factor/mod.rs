//! The second factor: set up, confirmed, checked, turned off; and its backup codes.
//!
//! Owns nothing. A secret is sealed under the service's key and bound to its user; a step of TOTP and a backup code are
//! spent in the transaction of what they permit. Setting one up, or turning it off, ends the user's other sessions and tells
//! them. May touch: the store, Redis (through the guard and the Otp component).

mod check;
mod disable;
mod error;
mod step_up;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use civiclens_nats::events::security;

use self::check::method_of;
pub use self::check::{Checked, Offered};
pub use self::error::Error;
pub use self::step_up::State;
use crate::domain::audit::{Action, Entry};
use crate::domain::backup_code::BackupCode;
use crate::domain::client::Client;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::failures::Authenticator;
use crate::domain::keys::{HashKey, Sealer};
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::principal::{Principal, SessionId, UserId};
use crate::domain::recent_proof::Act;
use crate::domain::second_step::{self, Method, Rules, can_disable};
use crate::domain::secret::Secret;
use crate::domain::totp::{self, TotpSecret};
use crate::guard::{Failure, Guard};
use crate::limits::Subject;
use crate::notifications::templates::Change;
use crate::otp::SpentCode;
use crate::sessions::{Opened, Spend, Which};
use crate::store::accounts::Account;
use crate::store::two_factors::Factor;
use crate::store::{Db, UnitOfWork};
use crate::{audit, otp, sessions};

/// How long setting up a second factor may take.
pub(crate) const ENROLMENT_LIFE: chrono::Duration = chrono::Duration::minutes(15);

/// What a new factor sets right.
const FACTOR: &[&str] = Authenticator::BackupCode.sets_right();

/// What the second factor works with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// PostgreSQL.
    pub db: Db,
    /// Sends and spends codes.
    pub otp: otp::Handle,
    /// Ends sessions.
    pub sessions: sessions::Handle,
    /// Counts failures.
    pub guard: Guard,
    /// Records refusals.
    pub audit: audit::Handle,
    /// Seals secrets.
    pub sealer: Arc<Sealer>,
    /// Hashes backup codes.
    pub hash_key: HashKey,
    /// Who needs a second factor.
    pub rules: Rules,
    /// What an authenticator app calls this service.
    pub issuer: String,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

/// A second factor to be confirmed.
#[derive(Debug)]
pub struct Enrolment {
    /// What it is.
    pub method: Method,
    /// The secret, its address and its picture, for an authenticator app; a code by SMS needs none.
    pub totp: Option<TotpEnrolment>,
}

/// What an authenticator app needs, in three forms.
#[derive(Debug)]
pub struct TotpEnrolment {
    /// The secret, base32.
    pub secret: Secret,
    /// The `otpauth://` address.
    pub uri: Secret,
    /// The address as a QR code, an SVG picture.
    pub qr_svg: Secret,
}

/// What somebody turns the second factor off with.
#[derive(Debug)]
pub enum Leave {
    /// Their password.
    Password(Secret),
    /// A code of the factor, or a backup code.
    Code(String),
}

/// The place a TOTP secret is sealed to: its user.
pub(crate) fn sealing_place(user: UserId) -> String {
    format!("totp:{user}")
}

/// The door to the second factor. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    parts: Arc<Parts>,
}

impl Handle {
    /// A second factor of `parts`.
    pub fn new(parts: Parts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    async fn account(&self, id: UserId) -> Result<Account, Error> {
        self.parts.db.account(id).await?.ok_or(Error::UnknownUser)
    }

    /// Begins to set up a second factor for `principal`, who proved who they are a moment ago: with the one in force, if there is
    /// one, or by sending a code of it with this. That one stays until this one is confirmed. For SMS, a code is sent.
    pub async fn enrol(
        &self,
        principal: &Principal,
        method: Method,
        code: Option<&str>,
        client: &Client,
    ) -> Result<Enrolment, Error> {
        let account = self.account(principal.user_id).await?;
        // Before a code is used up for it.
        self.permits(&account, method)?;
        let session = principal.session_id;
        let (proven, Checked { spend, attempt, sms }) = if let (Some(_), Some(code)) = (account.two_factor, code) {
            let subject = Subject::session(&account.phone, session);
            (Some(session), self.check_any(&account, None, code, &subject, client).await?)
        } else {
            self.parts.sessions.require_recent(principal, Act::ChangeSecondFactor).await?;
            (None, Checked { spend: None, attempt: None, sms: None })
        };
        let tried = method_of(&account, spend.as_ref());
        let outcome = self.enrol_account(&account, method, (proven, spend), client).await;
        self.end_checked((&account, tried), &outcome, attempt, sms, client).await?;
        outcome
    }

    /// The same for a user who is in the middle of a login that needs a first one.
    pub(crate) async fn enrol_first(&self, user: UserId, method: Method, client: &Client) -> Result<Enrolment, Error> {
        let account = self.account(user).await?;
        if account.two_factor.is_some() {
            return Err(Error::NothingToConfirm);
        }
        self.permits(&account, method)?;
        self.enrol_account(&account, method, (None, None), client).await
    }

    /// Whether `account` may have a factor of this method.
    fn permits(&self, account: &Account, method: Method) -> Result<(), Error> {
        if !self.parts.rules.enabled && can_disable(&self.parts.rules, account.role) {
            return Err(Error::SwitchedOff);
        }
        // A code by SMS is the second factor of a password only: it is the first one of everybody else.
        if method == Method::Sms && account.password_hash.is_none() {
            return Err(Error::PasswordNeeded);
        }
        Ok(())
    }

    /// Begins an enrolment, and spends what permits it: a proof of the factor in force to this session, if there is one.
    async fn enrol_account(
        &self,
        account: &Account,
        method: Method,
        (proven, spend): (Option<SessionId>, Option<Spend>),
        client: &Client,
    ) -> Result<Enrolment, Error> {
        let user = account.id;
        let now = self.parts.clock.now();
        let (factor, totp) = match method {
            Method::Sms => (Factor { method, sealed_secret: None }, None),
            Method::Totp => {
                let secret = TotpSecret::generate(&*self.parts.entropy)?;
                let text = secret.to_base32();
                let sealed = self.parts.sealer.seal(&sealing_place(user), text.expose())?;
                let uri = secret.otpauth_uri(&self.parts.issuer, account.phone.as_str())?;
                let qr_svg = totp::qr_svg(&uri)?;
                (Factor { method, sealed_secret: Some(sealed) }, Some(TotpEnrolment { secret: text, uri, qr_svg }))
            }
        };
        if method == Method::Sms {
            self.parts.otp.request(account.phone.clone(), Purpose::SecondFactor, client.clone()).await?;
        }
        let mut work = self.parts.db.begin().await?;
        work.lock_user(user).await?;
        if let Some(session) = proven {
            if let Some(spend) = spend
                && !self.spend_in(&mut work, (user, session), spend, client, now).await?
            {
                return Err(Error::CodeInvalid);
            }
            self.parts.sessions.service().note_proof_in(&mut work, session, true, now).await?;
        }
        work.begin_enrolment(user, &factor, now).await?;
        let entry = Entry::by_user(Action::TwoFactorEnrolmentStarted, user, client);
        work.record(entry.with("method", method.as_str()));
        work.commit(now).await?;
        Ok(Enrolment { method, totp })
    }

    /// Confirms the second factor that `principal` is setting up, with a code of it. Ends their other sessions. Answers ten
    /// backup codes, this once.
    pub async fn confirm(
        &self,
        principal: &Principal,
        code: &str,
        client: &Client,
    ) -> Result<(Opened, Vec<BackupCode>), Error> {
        let account = self.account(principal.user_id).await?;
        let subject = Subject::session(&account.phone, principal.session_id);
        let keep = Some(principal.session_id);
        let (_, codes, opened) = self.confirm_user(account.id, code, &subject, keep, client).await?;
        Ok((opened.ok_or(sessions::Error::Unauthenticated)?, codes))
    }

    /// The same for a user who is in the middle of a login that needs a first one. Ends all their sessions. Answers what was
    /// set up, too.
    pub(crate) async fn confirm_first(
        &self,
        user: UserId,
        code: &str,
        subject: &Subject,
        client: &Client,
    ) -> Result<(Method, Vec<BackupCode>), Error> {
        let (method, codes, _) = self.confirm_user(user, code, subject, None, client).await?;
        Ok((method, codes))
    }

    async fn confirm_user(
        &self,
        user: UserId,
        code: &str,
        subject: &Subject,
        keep: Option<SessionId>,
        client: &Client,
    ) -> Result<(Method, Vec<BackupCode>, Option<Opened>), Error> {
        let account = self.account(user).await?;
        let now = self.parts.clock.now();
        let factor = self.parts.db.enrolment(user, now - ENROLMENT_LIFE).await?.ok_or(Error::NothingToConfirm)?;
        let (step, sms) = self.confirming_step(&account, &factor, code, subject, client).await?;
        let outcome = self.put_in_force(&account, (&factor, step), keep, client, now).await;
        if let (Err(Error::Store(_)), Some(sms)) = (&outcome, sms) {
            self.parts.otp.restore(&sms.code).await;
        }
        let (codes, opened) = outcome?;
        Ok((factor.method, codes, opened))
    }

    /// Puts a factor in force that was confirmed. Answers its backup codes, and the new tokens of the session that goes on.
    async fn put_in_force(
        &self,
        account: &Account,
        (factor, step): (&Factor, i64),
        keep: Option<SessionId>,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(Vec<BackupCode>, Option<Opened>), Error> {
        let user = account.id;
        let codes = BackupCode::generate_set(&*self.parts.entropy)?;
        let mut work = self.parts.db.begin().await?;
        let locked = work.lock_account(user).await?.ok_or(Error::UnknownUser)?;
        // Without a session there must be none in force: somebody else may have been faster to set one up.
        let replaces = keep.is_none() && locked.two_factor.is_some();
        if replaces || !work.confirm_enrolment(user, factor, step, now).await? {
            return Err(Error::NothingToConfirm);
        }
        self.replace_codes(&mut work, user, &codes, now).await?;
        work.forget_failures(user, Some(FACTOR)).await?;
        let entry = Entry::by_user(Action::TwoFactorEnabled, user, client);
        work.record(entry.with("method", factor.method.as_str()));
        self.tell(&mut work, account, Change::Enabled, Some(factor.method), client, now)?;
        let Some(keep) = keep else {
            let sessions = self.parts.sessions.service();
            let ended = sessions.end_in(&mut work, user, Which::All, "two_factor_changed", client, now).await?;
            work.commit(now).await?;
            sessions.spread(ended, client, now);
            return Ok((codes, None));
        };
        let change = second_step::Change::FactorSetUp(factor.method);
        let opened = self.go_on(work, &locked, (keep, change), client, now).await?;
        Ok((codes, Some(opened)))
    }

    /// Checks the code that confirms `factor`. Answers the step of TOTP it belongs to, which is spent
    /// with it, or the code by SMS, which is spent.
    async fn confirming_step(
        &self,
        account: &Account,
        factor: &Factor,
        code: &str,
        subject: &Subject,
        client: &Client,
    ) -> Result<(i64, Option<SpentCode>), Error> {
        match factor.method {
            Method::Sms => Ok((0, Some(self.spend_sms(account, code, subject, client).await?))),
            Method::Totp => {
                OtpCode::parse(code).map_err(|_| Error::NotACode)?;
                let attempt = self.parts.guard.begin_known(account, "totp", subject, client).await?;
                let Some(step) = self.totp_step(account.id, factor, code)? else {
                    self.parts.guard.failed(attempt, failure(account, "totp"), client).await?;
                    return Err(Error::CodeInvalid);
                };
                self.parts.guard.passed(attempt).await;
                Ok((step, None))
            }
        }
    }

    /// Replaces the backup codes of `principal`, who proved the second factor a moment ago.
    pub async fn renew_backup_codes(&self, principal: &Principal, client: &Client) -> Result<Vec<BackupCode>, Error> {
        self.parts.sessions.require_recent(principal, Act::RenewBackupCodes).await?;
        let now = self.parts.clock.now();
        let codes = BackupCode::generate_set(&*self.parts.entropy)?;
        let mut work = self.parts.db.begin().await?;
        let account = work.lock_account(principal.user_id).await?.ok_or(Error::UnknownUser)?;
        if account.two_factor.is_none() {
            return Err(Error::NotEnrolled);
        }
        self.replace_codes(&mut work, account.id, &codes, now).await?;
        work.forget_failures(account.id, Some(Authenticator::BackupCode.itself())).await?;
        work.record(Entry::by_user(Action::BackupCodesRenewed, account.id, client));
        self.tell(&mut work, &account, Change::BackupCodes, account.two_factor, client, now)?;
        work.commit(now).await?;
        Ok(codes)
    }

    /// Sends the code of the second factor to the phone of `user`, who holds a session.
    pub async fn send_sms(&self, user: UserId, client: &Client) -> Result<otp::Requested, Error> {
        let account = self.account(user).await?;
        if account.two_factor != Some(Method::Sms) {
            return Err(Error::NotEnrolled);
        }
        Ok(self.parts.otp.request(account.phone, Purpose::SecondFactor, client.clone()).await?)
    }

    async fn replace_codes(
        &self,
        work: &mut UnitOfWork,
        user: UserId,
        codes: &[BackupCode],
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let hashes: Vec<[u8; 32]> = codes.iter().map(|code| code.hash(&self.parts.hash_key, user)).collect();
        Ok(work.replace_backup_codes(user, &hashes, now).await?)
    }

    /// Says to other services and to the user that the second factor changed.
    fn tell(
        &self,
        work: &mut UnitOfWork,
        account: &Account,
        change: Change,
        method: Option<Method>,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let event = security::TwoFactorChangedV1 {
            user_id: account.id.get(),
            change: change.as_str().to_owned(),
            method: method.map(|method| method.as_str().to_owned()),
            changed_at: now,
        };
        work.announce(self.parts.guard.events.event(account.id, event, client, now)?);
        Ok(self.parts.guard.notices.two_factor_changed(work, account, change, client, now)?)
    }
}

/// A wrong code of `account`.
fn failure<'a>(account: &'a Account, method: &'static str) -> Failure<'a> {
    Failure { account: Some(account), method, reason: "wrong_code", lock: None }
}
