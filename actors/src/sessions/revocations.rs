//! The revocation view: which sessions ended while an access token of theirs may still be in use.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::domain::principal::SessionId;
use crate::store::sessions::Revocation;

/// How often the view is read again: the longest a revocation takes to arrive where NATS is cut off.
pub(super) const REREAD_EVERY: Duration = Duration::from_secs(2);
/// How far a re-read reaches back before the last one: covers slow commits and clocks that differ.
pub(super) const OVERLAP: Duration = Duration::from_secs(30);

/// The view. Readers take a shared lock for one look-up; about 40 bytes an entry.
#[derive(Debug, Default)]
pub(super) struct Revocations(RwLock<View>);

#[derive(Debug, Default)]
struct View {
    ended: HashMap<SessionId, DateTime<Utc>>,
    loaded: bool,
}

impl Revocations {
    /// Whether `session` has ended. Answers `None` as long as nothing was loaded.
    pub(super) fn contains(&self, session: SessionId) -> Option<bool> {
        let view = self.0.read().unwrap_or_else(PoisonError::into_inner);
        view.loaded.then(|| view.ended.contains_key(&session))
    }

    /// Adds one.
    pub(super) fn add(&self, session: SessionId, keep_until: DateTime<Utc>) {
        let mut view = self.0.write().unwrap_or_else(PoisonError::into_inner);
        view.ended.insert(session, keep_until);
    }

    /// Adds what was read, and forgets what no token can need any more.
    pub(super) fn load(&self, read: &[Revocation], now: DateTime<Utc>) {
        let mut view = self.0.write().unwrap_or_else(PoisonError::into_inner);
        view.ended.extend(read.iter().map(|revocation| (revocation.session_id, revocation.keep_until)));
        view.ended.retain(|_, keep_until| *keep_until > now);
        view.loaded = true;
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("civiclens_revocations_remembered").set(view.ended.len() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_judged_before_the_first_load_and_expired_entries_go() {
        let view = Revocations::default();
        let now = DateTime::from_timestamp(1_790_000_000, 0).unwrap_or_default();
        view.add(1.into(), now + chrono::Duration::hours(1));
        assert_eq!(view.contains(1.into()), None);
        view.load(&[], now);
        assert_eq!((view.contains(1.into()), view.contains(2.into())), (Some(true), Some(false)));
        view.load(&[], now + chrono::Duration::hours(2));
        assert_eq!(view.contains(1.into()), Some(false));
    }
}
