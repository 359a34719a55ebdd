//! Accepting an invitation: its holder chooses the first password of the account.

use super::{Error, Handle, Via};
use crate::domain::audit::{Action, Entry};
use crate::domain::client::Client;
use crate::domain::invitation::token_hashes;
use crate::domain::phone::Phone;
use crate::domain::principal::UserId;
use crate::domain::secret::Secret;
use crate::limits::Limit;
use crate::sessions::Which;
use crate::store::accounts::Account;

/// An account whose holder has just chosen its password.
#[derive(Debug)]
pub struct Accepted {
    /// The user.
    pub user_id: UserId,
    /// Their phone.
    pub phone: Phone,
    /// The token epoch that began with it.
    pub token_epoch: i32,
}

impl Handle {
    /// Sets the first password of who was invited. A password that is refused does not use the invitation up.
    pub async fn accept_invitation(&self, token: &Secret, new: Secret, client: &Client) -> Result<Accepted, Error> {
        let hashes = token_hashes(&self.parts.hash_key, token);
        let (account, hash) = self.invited(&hashes, client).await?;
        let password = self.hash("password", &account, new, client).await?;
        let now = self.parts.clock.now();
        let mut work = self.parts.db.begin().await?;
        let locked = work.lock_account(account.id).await?.filter(can_accept).ok_or(Error::InvitationInvalid)?;
        if !work.claim_invitation(locked.id, &hash, now).await? {
            return Err(Error::InvitationInvalid);
        }
        // The token went to the account's own address.
        work.verify_email(locked.id).await?;
        let (token_epoch, ended) =
            self.store_in(&mut work, &locked, &password, Which::All, (Via::Invitation, client, now)).await?;
        work.commit(now).await.map_err(Error::Unclear)?;
        self.parts.sessions.service().spread(ended, client, now);
        Ok(Accepted { user_id: locked.id, phone: locked.phone, token_epoch })
    }

    /// Whom the token invites. What is no invitation counts with the wrong tokens of the address.
    async fn invited(&self, hashes: &[[u8; 32]], client: &Client) -> Result<(Account, [u8; 32]), Error> {
        let now = self.parts.clock.now();
        let id = self.parts.guard.events.id(now)?.to_string();
        let address = client.limit_subject();
        let limits = [Limit { name: "login_address", subject: &address, rate: self.parts.tries_per_address }];
        self.parts.limits.take(&id, &limits).await?;
        let (mut invited, mut account) = (None, None);
        for hash in hashes {
            if let Some(user) = self.parts.db.invited(hash, now).await? {
                invited = Some(user);
                account = self.parts.db.account(user).await?.filter(can_accept).map(|account| (account, *hash));
            }
        }
        if let Some(account) = account {
            self.parts.limits.give_back(&id, &limits).await?;
            return Ok(account);
        }
        let mut entry = Entry::by_stranger(Action::InvitationRefused, client);
        entry.subject = invited;
        self.parts.audit.refused(entry).await?;
        Err(Error::InvitationInvalid)
    }
}

/// Whether an account is still one that an invitation is for.
fn can_accept(account: &Account) -> bool {
    account.is_active && account.role.needs_password() && !account.has_own_password()
}
