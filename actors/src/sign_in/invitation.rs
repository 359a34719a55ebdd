//! Signing in with an invitation: its holder chooses a password and is let in with it.

use super::{Entering, Error, Handle, Outcome, SignedIn};
use crate::credentials::Accepted;
use crate::domain::client::{Client, Device};
use crate::domain::second_step::Proof;
use crate::domain::secret::Secret;
use crate::limits::Subject;
use crate::sessions::{Entrant, OpenSession};

impl Handle {
    /// Sets the first password of who was invited, and opens a session or asks for the second step. If the session cannot be
    /// opened the password is set all the same: they sign in with it.
    pub async fn accept_invitation(
        &self,
        token: &Secret,
        password: Secret,
        device: Option<Device>,
        client: Client,
    ) -> Result<SignedIn, Error> {
        let accepted = self.parts.credentials.accept_invitation(token, password, &client).await?;
        let Accepted { user_id, phone, token_epoch } = accepted;
        let message = OpenSession {
            entrant: Entrant::User(user_id),
            proven: vec![Proof::Password],
            method: "password",
            token_epoch: Some(token_epoch),
            spend: None,
            proof_id: None,
            device: device.clone(),
            client,
        };
        let subject = Subject::stranger(&phone);
        let entering = Entering { subject: &subject, first: None, device: device.as_ref() };
        let outcome = self.enter(message, &entering).await?;
        if matches!(outcome, Outcome::Session(_)) {
            self.parts.guard.forget_failures(&subject).await;
        }
        Ok(SignedIn::from(outcome).on(device))
    }
}
