//! Signing in: a proof, then a session. Composes the Otp, Sessions and Audit components and owns nothing itself.
//!
//! A code that was spent for a login that PostgreSQL then could not finish becomes valid again, so that an outage costs
//! the user a retry and not one of three codes an hour.

mod error;

pub use self::error::Error;
pub use crate::sessions::{Opened, SecondStep, SignIn};

use crate::domain::audit::{Action, Entry};
use crate::domain::client::{Client, Device};
use crate::domain::otp::OtpCode;
use crate::domain::phone::Phone;
use crate::{accounts, audit, otp, sessions};

/// The door to signing in.
#[derive(Clone, Debug)]
pub struct Handle {
    otp: otp::Handle,
    sessions: sessions::Handle,
    accounts: accounts::Handle,
    audit: audit::Handle,
}

impl Handle {
    /// Composes the components.
    pub fn new(otp: otp::Handle, sessions: sessions::Handle, accounts: accounts::Handle, audit: audit::Handle) -> Self {
        Self { otp, sessions, accounts, audit }
    }

    /// Spends `code` and opens a session for the holder of `phone`, who becomes a citizen on first sight.
    pub async fn with_code(
        &self,
        phone: Phone,
        code: OtpCode,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignIn, Error> {
        let spent = match self.otp.verify(phone.clone(), code).await {
            Ok(spent) => spent,
            Err(error) => {
                if matches!(error, otp::Error::Invalid { guessed: true } | otp::Error::Locked(_)) {
                    self.record_failure(&phone, &error, &client).await?;
                }
                return Err(error.into());
            }
        };
        match self.sessions.open_for_phone(phone, device, client).await {
            Err(error) if !matches!(error, sessions::Error::Suspended) => {
                self.otp.restore(spent).await;
                Err(error.into())
            }
            outcome => Ok(outcome?),
        }
    }

    async fn record_failure(&self, phone: &Phone, error: &otp::Error, client: &Client) -> Result<(), Error> {
        let reason = if matches!(error, otp::Error::Locked(_)) { "locked" } else { "wrong_code" };
        let mut entry = Entry::by_stranger(Action::LoginFailed, client).with("method", "otp").with("reason", reason);
        entry.subject = self.accounts.find(phone).await?;
        Ok(self.audit.record(entry).await?)
    }
}
