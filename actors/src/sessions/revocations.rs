//! The revocation view: which sessions ended, and which token epochs are over, while an access token of theirs may still be
//! in use.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::principal::{Principal, SessionId, UserId};
use crate::store::revocations::Ended;

/// How often the view is read again: the longest a revocation takes to arrive where NATS is cut off.
pub(super) const REREAD_EVERY: Duration = Duration::from_secs(2);
/// How far a re-read reaches back before the last one: covers slow commits and clocks that differ.
pub(super) const OVERLAP: Duration = Duration::from_secs(30);

/// The view. Readers take a shared lock for two look-ups; about 40 bytes an entry.
#[derive(Debug, Default)]
pub(super) struct Revocations(RwLock<View>);

/// The first token epoch of a user that is accepted.
#[derive(Debug)]
pub(super) struct Epoch {
    pub(super) user_id: UserId,
    pub(super) first: i32,
    /// Until when a token of an earlier epoch may be in use.
    pub(super) keep_until: DateTime<Utc>,
}

#[derive(Debug, Default)]
struct View {
    ended: HashMap<SessionId, DateTime<Utc>>,
    epochs: HashMap<UserId, (i32, DateTime<Utc>)>,
    loaded: bool,
}

impl View {
    /// An older message that comes late changes nothing.
    fn add_epoch(&mut self, epoch: &Epoch) {
        let known = self.epochs.entry(epoch.user_id).or_insert((epoch.first, epoch.keep_until));
        known.0 = known.0.max(epoch.first);
        known.1 = known.1.max(epoch.keep_until);
    }
}

impl Revocations {
    /// Whether the holder of this token is refused. Answers `None` as long as nothing was loaded.
    pub(super) fn refuses(&self, principal: &Principal) -> Option<bool> {
        let view = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let over = view.epochs.get(&principal.user_id).is_some_and(|(first, _)| principal.token_epoch < *first);
        view.loaded.then(|| over || view.ended.contains_key(&principal.session_id))
    }

    /// Whether the view knows that this session has ended.
    pub(super) fn has_ended(&self, session: SessionId) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).ended.contains_key(&session)
    }

    /// Whether the view was loaded once.
    pub(super) fn is_loaded(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).loaded
    }

    /// Adds sessions that ended.
    pub(super) fn add(&self, sessions: impl Iterator<Item = (SessionId, DateTime<Utc>)>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).ended.extend(sessions);
    }

    /// Adds an epoch that began.
    pub(super) fn add_epoch(&self, epoch: &Epoch) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).add_epoch(epoch);
    }

    /// Adds what was read, and forgets what no token can need any more.
    pub(super) fn load(&self, read: Vec<Ended>, epochs: &[Epoch], now: DateTime<Utc>) {
        let mut view = self.0.write().unwrap_or_else(PoisonError::into_inner);
        view.ended.extend(read);
        view.ended.retain(|_, keep_until| *keep_until > now);
        for epoch in epochs {
            view.add_epoch(epoch);
        }
        view.epochs.retain(|_, (_, keep_until)| *keep_until > now);
        view.loaded = true;
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("civiclens_revocations_remembered").set((view.ended.len() + view.epochs.len()) as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::role::Role;

    fn principal(session: i64, token_epoch: i32) -> Principal {
        let now = DateTime::UNIX_EPOCH;
        Principal {
            user_id: 7.into(),
            role: Role::Citizen,
            session_id: session.into(),
            amr: Vec::new(),
            auth_time: now,
            token_epoch,
            expires_at: now,
        }
    }

    #[test]
    fn nobody_is_judged_before_the_first_load_and_expired_entries_go() {
        let view = Revocations::default();
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        view.add(std::iter::once((1.into(), now + chrono::Duration::hours(1))));
        assert_eq!(view.refuses(&principal(1, 0)), None);
        view.load(Vec::new(), &[], now);
        assert_eq!((view.refuses(&principal(1, 0)), view.refuses(&principal(2, 0))), (Some(true), Some(false)));
        view.load(Vec::new(), &[], now + chrono::Duration::hours(2));
        assert_eq!(view.refuses(&principal(1, 0)), Some(false));
    }

    #[test]
    fn tokens_of_earlier_epochs_are_refused_and_late_news_change_nothing() {
        let view = Revocations::default();
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        let epoch = |first| Epoch { user_id: 7.into(), first, keep_until: now + chrono::Duration::hours(1) };
        view.load(Vec::new(), &[epoch(3)], now);
        view.add_epoch(&epoch(2));
        let refused: Vec<_> = (1..5).map(|epoch| view.refuses(&principal(1, epoch))).collect();
        assert_eq!(refused, [Some(true), Some(true), Some(false), Some(false)]);
        view.load(Vec::new(), &[], now + chrono::Duration::hours(2));
        assert_eq!(view.refuses(&principal(1, 1)), Some(false));
    }
}
