//! Checking a code of the second factor, and spending it.

use chrono::{DateTime, Utc};

use super::{Error, Handle, failure, sealing_place};
use crate::domain::audit::{Action, Entry};
use crate::domain::backup_code::BackupCode;
use crate::domain::client::Client;
use crate::domain::failures::Authenticator;
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::principal::{SessionId, UserId};
use crate::domain::second_step::{Method, Proof};
use crate::domain::totp::TotpSecret;
use crate::guard::Failure;
use crate::limits::{Attempt, Subject};
use crate::otp::{self, SpentCode};
use crate::sessions::{self, Spend};
use crate::store::UnitOfWork;
use crate::store::accounts::Account;
use crate::store::two_factors::Factor;

/// A code as it is offered, by what it is said to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// A code of the authenticator app.
    Totp,
    /// A code by SMS.
    Sms,
    /// A backup code.
    BackupCode,
}

impl Offered {
    /// What is offered under this name in a request.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "totp" => Some(Self::Totp),
            "sms" => Some(Self::Sms),
            "backup_code" => Some(Self::BackupCode),
            _ => None,
        }
    }

    /// Its name in events and audit rows.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Sms => "sms",
            Self::BackupCode => "backup_code",
        }
    }

    /// What it proves.
    pub const fn proof(self) -> Proof {
        match self {
            Self::Totp => Proof::Totp,
            Self::Sms => Proof::SmsCode,
            Self::BackupCode => Proof::BackupCode,
        }
    }
}

/// A code that is right as far as can be told before it is spent.
#[derive(Debug)]
#[must_use = "a checked code must be spent, and its attempt ended"]
pub struct Checked {
    /// What is spent in the transaction of what it permits; a code by SMS is spent already.
    pub spend: Option<Spend>,
    /// The attempt, which ends with that transaction. A code by SMS counts its own failures.
    pub attempt: Option<Attempt>,
    /// The code by SMS, to be made good again if what it permits is not done.
    pub sms: Option<SpentCode>,
}

/// Whether a text has the form of what it is offered as. What has not is counted for nobody.
fn is_code(offered: Offered, text: &str) -> bool {
    match offered {
        Offered::Totp | Offered::Sms => OtpCode::parse(text).is_ok(),
        Offered::BackupCode => BackupCode::parse(text).is_ok(),
    }
}

impl Handle {
    /// Checks a code of the second factor in force. A wrong one is a failure of `subject`.
    pub async fn check(
        &self,
        account: &Account,
        offered: Offered,
        code: &str,
        subject: &Subject,
        client: &Client,
    ) -> Result<Checked, Error> {
        if !is_code(offered, code) {
            return Err(Error::NotACode);
        }
        if Authenticator::of_method(offered.as_str()).is_some_and(|offered| account.failures.is_off(offered)) {
            return Err(Error::Off);
        }
        if offered == Offered::Sms {
            let sms = Some(self.spend_sms(account, code, subject, client).await?);
            return Ok(Checked { spend: None, attempt: None, sms });
        }
        let attempt = self.parts.guard.begin_known(account, offered.as_str(), subject, client).await?;
        let spend = match self.find_spend(account, offered, code).await {
            Ok(spend) => spend,
            Err(error) => {
                self.parts.guard.passed(attempt).await;
                return Err(error);
            }
        };
        if spend.is_none() {
            self.parts.guard.failed(attempt, failure(account, offered.as_str()), client).await?;
            return Err(Error::CodeInvalid);
        }
        Ok(Checked { spend, attempt: Some(attempt), sms: None })
    }

    async fn find_spend(&self, account: &Account, offered: Offered, code: &str) -> Result<Option<Spend>, Error> {
        match offered {
            Offered::BackupCode => {
                let hashes = |code: BackupCode| code.hashes(&self.parts.hash_key, account.id);
                Ok(BackupCode::parse(code).ok().map(hashes).map(Spend::BackupCode))
            }
            Offered::Totp => {
                let factor = self.parts.db.two_factor(account.id).await?.filter(|f| f.method == Method::Totp);
                let Some(factor) = factor else { return Ok(None) };
                let secret = factor.sealed_secret.clone().unwrap_or_default();
                Ok(self.totp_step(account.id, &factor, code)?.map(|step| Spend::TotpStep(step, secret)))
            }
            Offered::Sms => Ok(None),
        }
    }

    /// Checks a code of the factor in force, or a backup code; without being told which, where no `method` is named.
    pub(super) async fn check_any(
        &self,
        account: &Account,
        method: Option<Offered>,
        code: &str,
        subject: &Subject,
        client: &Client,
    ) -> Result<Checked, Error> {
        let own = match account.two_factor {
            Some(Method::Totp) => Offered::Totp,
            Some(Method::Sms) => Offered::Sms,
            None => return Err(Error::NotEnrolled),
        };
        let offered = match method {
            Some(method) if method == own || method == Offered::BackupCode => method,
            Some(_) => return Err(Error::MethodNotInForce),
            None if OtpCode::parse(code).is_ok() => own,
            None => Offered::BackupCode,
        };
        self.check(account, offered, code, subject, client).await
    }

    /// Spends a checked code in a transaction, as a proof of the factor to a session. Returns `false` if it was spent before. A
    /// backup code that was made since the session was opened proves nothing to it, unless the factor was set up with it.
    pub(super) async fn spend_in(
        &self,
        work: &mut UnitOfWork,
        (user, session): (UserId, SessionId),
        spend: Spend,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<bool, Error> {
        match spend {
            Spend::TotpStep(step, secret) => Ok(work.spend_totp_step(user, &secret, step).await?),
            Spend::BackupCode(hashes) => {
                let opened_at = work.opened_at(session).await?.ok_or(sessions::Error::Unauthenticated)?;
                for hash in &hashes {
                    if work.is_backup_code_newer(user, hash, opened_at).await? {
                        return Err(Error::BackupCodeTooNew);
                    }
                }
                let Some(left) = work.spend_backup_code(user, &hashes, now).await? else { return Ok(false) };
                work.record(Entry::by_user(Action::BackupCodeUsed, user, client).with("left", left));
                Ok(true)
            }
        }
    }

    /// Ends the attempt of a checked code by what became of what it permits, and makes a code by SMS good again if that
    /// was not done.
    pub(super) async fn end_checked<T>(
        &self,
        (account, method): (&Account, &'static str),
        outcome: &Result<T, Error>,
        attempt: Option<Attempt>,
        sms: Option<SpentCode>,
        client: &Client,
    ) -> Result<(), Error> {
        match (outcome, attempt) {
            (Ok(_), Some(attempt)) => self.parts.guard.succeeded(attempt).await,
            (Err(Error::CodeInvalid), Some(attempt)) => {
                self.parts.guard.failed(attempt, failure(account, method), client).await?;
            }
            (Err(_), Some(attempt)) => self.parts.guard.passed(attempt).await,
            (_, None) => {}
        }
        if let (Err(_), Some(sms)) = (outcome, sms) {
            self.parts.otp.restore(&sms.code).await;
        }
        if outcome.is_ok() {
            self.parts.guard.proved(account, method).await;
        }
        Ok(())
    }

    /// The step of TOTP that `code` belongs to at this moment. Returns `None` for any other code.
    pub(super) fn totp_step(&self, user: UserId, factor: &Factor, code: &str) -> Result<Option<i64>, Error> {
        let (Ok(code), Some(sealed)) = (OtpCode::parse(code), factor.sealed_secret.as_deref()) else { return Ok(None) };
        let opened = self.parts.sealer.open(&sealing_place(user), sealed)?;
        let secret = TotpSecret::from_base32(opened.expose())?;
        Ok(secret.matched_step(&code, self.parts.clock.now()).and_then(|step| i64::try_from(step).ok()))
    }

    /// Spends a code that was sent as second factor.
    pub(super) async fn spend_sms(
        &self,
        account: &Account,
        code: &str,
        subject: &Subject,
        client: &Client,
    ) -> Result<SpentCode, Error> {
        let code = OtpCode::parse(code).map_err(|_| Error::NotACode)?;
        let spent =
            self.parts.otp.verify(account.phone.clone(), Purpose::SecondFactor, code, subject.clone(), client).await;
        match spent {
            Ok(spent) => Ok(spent),
            Err(error @ otp::Error::Locked(_)) => {
                let failure = Failure { reason: "locked", ..failure(account, "sms") };
                self.parts.guard.tell_of(subject, failure, client).await?;
                Err(error.into())
            }
            Err(otp::Error::Invalid { guessed, lock }) => {
                if guessed {
                    let failure = Failure { lock, ..failure(account, "sms") };
                    self.parts.guard.tell_of(subject, failure, client).await?;
                }
                Err(Error::CodeInvalid)
            }
            Err(error) => {
                if let otp::Error::Locked(_) = &error {
                    let failure = Failure { reason: "locked", ..failure(account, "sms") };
                    self.parts.guard.tell_of(subject, failure, client).await?;
                }
                Err(error.into())
            }
        }
    }
}

/// The method of a checked code: what it spends tells, and a code by SMS, the only other one, is spent already. Empty where no
/// factor is in force.
pub(super) fn method_of(account: &Account, spend: Option<&Spend>) -> &'static str {
    match spend {
        Some(Spend::TotpStep(..)) => Offered::Totp.as_str(),
        Some(Spend::BackupCode(_)) => Offered::BackupCode.as_str(),
        None => account.two_factor.map_or("", Method::as_str),
    }
}
