//! Signing in with a code that was sent to the phone.

use super::{Entering, Error, Handle, Outcome, SignedIn};
use crate::domain::client::{Client, Device};
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::Phone;
use crate::domain::second_step::Proof;
use crate::guard::Failure;
use crate::limits::Subject;
use crate::otp::{self, SpentCode};
use crate::sessions::{self, Entrant, OpenSession};

impl Handle {
    /// Spends `code` and opens a session for the holder of `phone`, who becomes a citizen on first sight. For accounts that
    /// need more it is the first step.
    pub async fn with_code(
        &self,
        phone: Phone,
        code: OtpCode,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let entrant = Entrant::Phone(phone.clone());
        self.spend_and_enter(phone, Purpose::Login, code, entrant, device, client).await
    }

    /// Spends a code for `purpose` and lets `entrant` in.
    pub(super) async fn spend_and_enter(
        &self,
        phone: Phone,
        purpose: Purpose,
        code: OtpCode,
        entrant: Entrant,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let spent = self.spend(&phone, purpose, code, device.as_ref(), &client).await?;
        self.enter_with_code(spent, entrant, device, client).await
    }

    /// Lets `entrant` in with a code that was spent. If that fails through no fault of theirs the code is good again.
    pub(super) async fn enter_with_code(
        &self,
        (spent, subject): (SpentCode, Subject),
        entrant: Entrant,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let message = OpenSession {
            entrant,
            proven: vec![Proof::Otp],
            method: "otp",
            token_epoch: None,
            spend: None,
            device: device.clone(),
            client: client.clone(),
        };
        let entering = Entering { subject: &subject, device: device.as_ref() };
        match self.enter(message, &entering).await {
            Ok(outcome) => {
                if spent.failed > 0 && matches!(outcome, Outcome::Session(_)) {
                    self.parts.guard.forget_failures(&subject).await;
                }
                Ok(outcome.into())
            }
            Err(error) => {
                if may_try_again(&error) {
                    self.parts.otp.restore(spent).await;
                }
                Err(error)
            }
        }
    }

    /// Spends a code. A wrong one is a failure of the account, or of the known device it is entered on if strangers are
    /// locked out.
    pub(super) async fn spend(
        &self,
        phone: &Phone,
        purpose: Purpose,
        code: OtpCode,
        device: Option<&Device>,
        client: &Client,
    ) -> Result<(SpentCode, Subject), Error> {
        let verify = async |subject: &Subject| {
            self.parts.otp.verify(phone.clone(), purpose, code.clone(), subject.clone(), client).await
        };
        let mut subject = Subject::stranger(phone);
        let mut outcome = verify(&subject).await;
        if matches!(outcome, Err(otp::Error::Locked(_)))
            && let Some(own) = self.parts.guard.own_subject(phone, device).await?
        {
            subject = own;
            outcome = verify(&subject).await;
        }
        let (reason, lock) = match &outcome {
            Err(otp::Error::Invalid { guessed: true, lock }) => ("wrong_code", *lock),
            Err(otp::Error::Locked(_)) => ("locked", None),
            _ => return Ok((outcome?, subject)),
        };
        let account = self.parts.db.account_by_phone(phone).await?;
        let failure = Failure { account: account.as_ref(), method: "otp", reason, lock };
        self.parts.guard.tell(failure, client).await?;
        Ok((outcome?, subject))
    }
}

/// Whether a code that was spent may be good for another try: the login failed through no fault of the user, and it is
/// certain that no session was opened with it.
fn may_try_again(error: &Error) -> bool {
    match error {
        Error::Sessions(error) => !error.is_unclear() && !matches!(error, sessions::Error::Suspended),
        Error::ShortMemory(_) => true,
        _ => false,
    }
}
