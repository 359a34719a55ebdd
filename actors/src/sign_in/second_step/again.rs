//! Asking again for a step whose answer was lost: the token that a code led to, or the session that a last step led to.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{DoneStep, Handle, Offered, StepRef, Waiting, step};
use crate::domain::client::{Client, Device};
use crate::domain::secret::Secret;
use crate::otp;
use crate::sessions::{AskAgain, Repeated};
use crate::sign_in::{Error, Outcome, SignedIn};

impl Handle {
    /// The token of the step that follows a code: the same however often it is asked for.
    pub(super) fn first_step_token(&self, code: Uuid) -> Secret {
        let hash = self.parts.hash_key.hash("first_step", &[&code.to_string()]);
        Secret::from(URL_SAFE_NO_PAD.encode(hash))
    }

    /// The step that a code led to before, for the device whose token came with it then, or where it is known that nobody got
    /// the answer. Returns `None` if there is none.
    pub(in crate::sign_in) async fn step_again(
        &self,
        code: Uuid,
        lost: bool,
        device: Option<&Device>,
    ) -> Result<Option<Outcome>, Error> {
        let token = self.first_step_token(code);
        let waiting = match self.waiting(&token).await {
            Err(Error::MfaTokenInvalid) => return Ok(None),
            waiting => waiting?,
        };
        let before = waiting.device();
        let proven = device.and_then(Device::proven);
        let same = proven.is_some() && proven == before.as_ref().map(|before| &before.issued);
        if !(lost || same) {
            return Err(otp::Error::Invalid { guessed: false, lock: None }.into());
        }
        let left = (waiting.expires_at - self.parts.clock.now()).to_std().unwrap_or_default();
        let offered = |name: &String| Offered::parse(name).map_or("password", Offered::as_str);
        let methods = waiting.methods.iter().map(offered).collect();
        Ok(Some(step(token, methods, left)))
    }

    fn code_hash(&self, token: &Secret, code: &Secret) -> String {
        hex::encode(self.parts.hash_key.hash("last_step", &[token.expose(), code.expose()]))
    }

    /// Keeps that the last step was passed with a code. Best effort: the database lets one session come of it.
    pub(super) async fn keep_done(&self, token: &Secret, waiting: &Waiting, code: &Secret, lost: bool) {
        let done = Some(DoneStep { code: self.code_hash(token, code), lost });
        if let Err(error) = self.keep(token, &Waiting { done, ..waiting.clone() }).await {
            tracing::debug!(%error, "that a login came to its end could not be kept");
        }
    }

    /// Notes that nobody got the answer to a last step.
    pub async fn step_was_lost(&self, StepRef(token): StepRef) {
        let noted = async {
            let mut kept = self.kept(&token).await?;
            if let Some(done) = &mut kept.done {
                done.lost = true;
                self.keep(&token, &kept).await?;
            }
            Ok::<(), Error>(())
        };
        match noted.await {
            // Only what led to a session is kept.
            Ok(()) | Err(Error::MfaTokenInvalid) => {}
            Err(error) => tracing::warn!(%error, "that the answer to a login was lost could not be noted"),
        }
    }

    /// What came of a last step that was passed with this code, where it is known that nobody got the answer. Returns `None` if
    /// nothing did.
    pub(super) async fn last_step_again(
        &self,
        token: &Secret,
        kept: &Waiting,
        code: &Secret,
        client: &Client,
    ) -> Result<Option<SignedIn>, Error> {
        let Some(done) = &kept.done else { return Ok(None) };
        if !done.lost || done.code != self.code_hash(token, code) {
            return Err(Error::MfaTokenInvalid);
        }
        let (proof_id, device) = (kept.proof_id, kept.device());
        let asked = AskAgain { proof_id, device: device.clone(), lost: true, client: client.clone() };
        match self.parts.sessions.answer_again(asked).await? {
            Repeated::Session(opened) => {
                self.keep_done(token, kept, code, false).await;
                let signed_in = SignedIn::from(Outcome::Session(opened));
                Ok(Some(SignedIn { step: Some(StepRef(token.clone())), ..signed_in }.on(device)))
            }
            Repeated::Refused => Err(Error::MfaTokenInvalid),
            Repeated::Nothing => Ok(None),
        }
    }
}
