//! Invitations: an officer, administrator or auditor chooses the first password alone, with a token that their mailbox got.

use chrono::{DateTime, Utc};
use civiclens_nats::events::officer;

use super::{Error, Handle};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::invitation::{LIFE, token_hash};
use crate::domain::keys::opaque_token;
use crate::domain::language::Language;
use crate::domain::principal::{Principal, UserId};
use crate::domain::recent_proof::Act;
use crate::domain::role::Role;
use crate::notifications::jobs::{self, Order};
use crate::notifications::sealing_place;
use crate::notifications::templates::EmailTemplate;
use crate::sessions::{Ended, Which};
use crate::store::UnitOfWork;
use crate::store::invitations::NewInvitation;

/// Who is invited.
pub(super) struct Invited<'a> {
    pub(super) id: UserId,
    pub(super) role: Role,
    pub(super) email: &'a str,
    pub(super) language: Language,
}

impl Handle {
    /// Invites somebody again who has not chosen a password yet. An earlier invitation, and a password that somebody else chose
    /// for them, are worthless from then on, and the sessions that rest on it end. Inviting an administrator needs a recent proof of
    /// who is asking.
    pub async fn invite(&self, admin: &Principal, user: UserId, client: &Client) -> Result<(), Error> {
        let invited = self.parts.db.account(user).await?.ok_or(Error::UnknownUser)?;
        if invited.role == Role::Admin {
            self.parts.sessions.require_recent(admin, Act::GrantAdmin).await?;
        }
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let account = work.lock_account(user).await?.ok_or(Error::UnknownUser)?;
        let email = account.email.as_deref().filter(|_| account.role.needs_password());
        let Some(email) = email.filter(|_| account.is_active) else { return Err(Error::NotToBeInvited) };
        if account.has_own_password() {
            return Err(Error::HasPassword);
        }
        let sessions = self.parts.sessions.service();
        let mut ended = None;
        if work.forget_temporary_password(user, now).await? {
            let (_, begun) = sessions.begin_epoch_in(&mut work, user, now).await?;
            let closed = sessions.end_in(&mut work, user, Which::All, "invited", client, now).await?;
            ended = Some(Ended { sessions: closed.sessions, epoch: begun.epoch });
        }
        let invited = Invited { id: user, role: account.role, email, language: account.preferred_language };
        self.invite_in(&mut work, admin, &invited, client, now).await?;
        work.commit(now).await?;
        if let Some(ended) = ended {
            sessions.spread(ended, client, now);
        }
        Ok(())
    }

    /// Keeps an invitation, and orders the letter that brings it, in a transaction.
    pub(super) async fn invite_in(
        &self,
        work: &mut UnitOfWork,
        admin: &Principal,
        invited: &Invited<'_>,
        client: &Client,
        now: DateTime<Utc>,
    ) -> Result<(), Error> {
        let &Invited { id, role, email, language } = invited;
        let parts = &self.parts;
        let (token, expires_at) = (opaque_token(&*parts.entropy)?, now + LIFE);
        let new = NewInvitation {
            user_id: id,
            token_hash: token_hash(&parts.hash_key, &token),
            email,
            invited_by: admin.user_id,
            expires_at,
        };
        work.put_invitation(&new, now).await?;
        let mut entry = Entry::by_user(Action::OfficerInvited, id, client).with("role", role.as_str());
        entry.actor = Some(admin.user_id);
        work.record(entry);
        let event = officer::InvitedV1 {
            user_id: id.get(),
            role: role.as_str().to_owned(),
            invited_by: admin.user_id.get(),
            invited_at: now,
            expires_at,
        };
        work.announce(parts.events.event(id, event, client, now)?);
        let job = parts.events.id(now)?;
        let order = Order {
            user: Some(id),
            language: Some(language),
            sealed: Some(parts.sealer.seal(&sealing_place(job, email), token.expose())?),
            expires_at: Some(expires_at),
            request_id: client.request_id.clone(),
            ..Order::new(job, now)
        };
        work.announce(jobs::email(parts.events.subjects(), email, EmailTemplate::Invitation, order)?);
        Ok(())
    }
}
