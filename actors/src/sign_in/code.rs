//! Signing in with a code that was sent to the phone.

use super::{Entering, Error, Handle, Outcome, SignedIn};
use crate::domain::client::{Client, Device};
use crate::domain::otp::{OtpCode, Purpose};
use crate::domain::phone::Phone;
use crate::domain::second_step::Proof;
use crate::guard::Failure;
use crate::limits::Subject;
use crate::otp::{self, Again, SpentCode};
use crate::sessions::{self, AskAgain, Entrant, OpenSession, Repeated};

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
        let mut signed_in = self.enter_with_code(spent, entrant, device, client).await?;
        if let Outcome::Session(opened) = &mut signed_in.outcome {
            // It says something of a sign-up only.
            opened.password_set = None;
        }
        Ok(signed_in)
    }

    /// Lets `entrant` in with a code that was spent. If that fails through no fault of theirs the code is good again.
    pub(super) async fn enter_with_code(
        &self,
        (spent, subject): (SpentCode, Subject),
        entrant: Entrant,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let outcome = self.enter_with(&spent, entrant, &subject, device.as_ref(), &client).await;
        match outcome {
            Ok(outcome) => {
                if spent.failed > 0 && matches!(outcome, Outcome::Session(_)) {
                    self.parts.guard.forget_failures(&subject).await;
                }
                Ok(SignedIn { code: Some(spent.code), ..outcome.into() }.on(device))
            }
            Err(error) => {
                match what_is_left(&error, spent.again) {
                    Left::Good => self.parts.otp.restore(&spent.code).await,
                    Left::Unclear => self.parts.otp.answer_was_lost(&spent.code).await,
                    Left::Nothing => {}
                }
                Err(error)
            }
        }
    }

    /// Lets in whoever spent a code. One that was spent before leads to what it led to then, if that is for whoever asks.
    async fn enter_with(
        &self,
        spent: &SpentCode,
        entrant: Entrant,
        subject: &Subject,
        device: Option<&Device>,
        client: &Client,
    ) -> Result<Outcome, Error> {
        if let Some(again) = spent.again
            && let Some(outcome) = self.answer_again(spent, again, device, client).await?
        {
            return Ok(outcome);
        }
        let message = OpenSession {
            entrant,
            proven: vec![Proof::Otp],
            method: "otp",
            token_epoch: None,
            spend: None,
            proof_id: Some(spent.code.id),
            device: device.cloned(),
            client: client.clone(),
        };
        match self.enter(message, &Entering { subject, first: Some(spent.code.id), device }).await {
            // Another request with the same code was faster.
            Err(Error::Sessions(sessions::Error::ProofUsed)) => {
                let again = spent.again.unwrap_or(Again { lost: false });
                self.answer_again(spent, again, device, client).await?.ok_or_else(spent_before)
            }
            outcome => outcome,
        }
    }

    /// What a code led to that was spent before. Returns `None` if nothing came of it.
    async fn answer_again(
        &self,
        spent: &SpentCode,
        Again { lost }: Again,
        device: Option<&Device>,
        client: &Client,
    ) -> Result<Option<Outcome>, Error> {
        let asked = AskAgain { proof_id: spent.code.id, device: device.cloned(), lost, client: client.clone() };
        match self.parts.sessions.answer_again(asked).await? {
            Repeated::Session(opened) => return Ok(Some(Outcome::Session(opened))),
            Repeated::Refused => return Err(spent_before()),
            Repeated::Nothing => {}
        }
        self.step_again(spent.code.id, lost, device).await
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
        if matches!(outcome, Err(otp::Error::Locked(_) | otp::Error::AddressLimited(_)))
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

fn spent_before() -> Error {
    otp::Error::Invalid { guessed: false, lock: None }.into()
}

/// What becomes of a code whose login failed.
enum Left {
    /// It is as good as before: it is certain that nothing came of it, through no fault of the user.
    Good,
    /// Something may have come of it that nobody was told: whoever enters it is told then.
    Unclear,
    Nothing,
}

fn what_is_left(error: &Error, again: Option<Again>) -> Left {
    let good = if again.is_some() { Left::Unclear } else { Left::Good };
    match error {
        // Whose answer was known to be lost has not got one now either.
        _ if again.is_some_and(|again| !again.lost) => Left::Nothing,
        Error::Sessions(sessions::Error::Suspended | sessions::Error::ProofUsed) => Left::Nothing,
        Error::Sessions(error) if error.is_unclear() => Left::Unclear,
        Error::Sessions(_) | Error::ShortMemory(_) => good,
        _ => Left::Nothing,
    }
}
