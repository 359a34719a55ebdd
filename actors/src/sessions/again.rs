//! Answering again what a session was opened with: its tokens went out, and nobody may have got them.
//!
//! One proof opens one session, which the database keeps. Who presents the proof again gets the tokens of that session, and only
//! if nobody used them: on the same known device, or where it is known that the answer reached nobody.

use super::Error;
use super::messages::{AskAgain, Opened, Repeated};
use super::service::{Facts, Service};
use crate::domain::audit::{Action, Entry};
use crate::store::refresh::Repeatable;

impl Service {
    /// What became of a proof that was presented before.
    pub(super) async fn answer_again(&self, asked: AskAgain) -> Result<Repeated, Error> {
        let AskAgain { proof_id, device, lost, client } = asked;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let Some(found) = work.lock_session_of_proof(proof_id).await? else { return Ok(Repeated::Nothing) };
        let Repeatable { session_id, session, holder, device_hash, is_untouched, made_account, has_password } = found;
        let hashes = device.as_ref().map(|device| device.issued.hashes(&self.parts.hash_key)).unwrap_or_default();
        let is_same = device_hash.as_deref().is_some_and(|known| hashes.iter().any(|hash| hash == known));
        let same = is_same && device.as_ref().is_some_and(|device| device.returned);
        let over = session.is_revoked || session.expires_at <= now || session.idle_until.is_some_and(|end| end <= now);
        let may_go_on = is_untouched && !over && holder.is_active && !self.has_outgrown(&holder, &session);
        if !may_go_on || !(lost || same) {
            return Ok(Repeated::Refused);
        }
        if let (false, Some(hash), Some(before)) = (is_same, hashes.first(), &device_hash) {
            work.move_session((holder.id, session_id), before, hash).await?;
        }
        work.record(Entry::by_user(Action::SignInAnsweredAgain, holder.id, &client).on("session", session_id));
        work.commit(now).await?;
        let facts = Facts {
            user_id: holder.id,
            role: holder.role,
            session_id,
            amr: session.amr,
            auth_time: session.auth_time,
            token_epoch: holder.token_epoch,
            seed: session.refresh_seed,
            generation: 0,
            access_until: session.access_until.min(self.access_until(holder.role, session.expires_at, now)),
            expires_at: session.expires_at,
            profile_completion: holder.profile_completion,
            is_new_user: made_account,
            password_temporary: holder.password_temporary,
        };
        let opened = Opened { password_set: Some(has_password), ..self.tokens_of(&facts, now)? };
        Ok(Repeated::Session(Box::new(opened)))
    }
}
