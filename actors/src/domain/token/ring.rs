//! Which key signs, and which keys verify, at any moment.
//!
//! Keys stand in the order in which they begin to sign. The newest key of the configured algorithm signs. A key verifies
//! from the day it is made until every token that it may have signed has expired: it may sign until [`ROLLOUT`] after the
//! next key, of any algorithm, began to sign, and then a token lives as long as the longest one does.

use chrono::{DateTime, Duration, Utc};

use super::key::Algorithm;

/// How long a key goes on signing on nodes that are still configured for its algorithm after a key of another one began to
/// sign: a rollout must be over within it. Also covers nodes that read the keys late.
pub const ROLLOUT: Duration = Duration::hours(1);
/// How long before it signs a key must have been made, so that every node knows it by then: some re-reads.
pub const SETTLE: Duration = Duration::minutes(1);

/// A key and its times.
#[derive(Clone, Debug)]
pub struct Member<K> {
    /// Its name.
    pub kid: String,
    /// Its algorithm.
    pub algorithm: Algorithm,
    /// When it begins to sign.
    pub active_from: DateTime<Utc>,
    /// Since when it does nothing any more, on the word of an operator.
    pub retired_at: Option<DateTime<Utc>>,
    /// The key itself, or what a caller wants to know of it.
    pub key: K,
}

/// What a key does at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It will sign, and verifies already.
    Next,
    /// It signs.
    Signing,
    /// It only verifies.
    Verifying,
    /// It does nothing any more.
    Retired,
}

impl State {
    /// The name, for operators.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Verifying => "verifying",
            Self::Retired => "retired",
        }
    }
}

/// A member and its ends.
#[derive(Clone, Debug)]
struct Placed<K> {
    member: Member<K>,
    signs_until: DateTime<Utc>,
    verifies_until: DateTime<Utc>,
}

impl<K> Placed<K> {
    fn verifies(&self, now: DateTime<Utc>) -> bool {
        now < self.verifies_until && !self.is_retired(now)
    }

    fn may_sign(&self, now: DateTime<Utc>) -> bool {
        self.member.active_from <= now && now <= self.signs_until && !self.is_retired(now)
    }

    fn is_retired(&self, now: DateTime<Utc>) -> bool {
        self.member.retired_at.is_some_and(|at| at <= now)
    }
}

/// The keys, in the order in which they begin to sign.
#[derive(Clone, Debug)]
pub struct Ring<K> {
    algorithm: Algorithm,
    placed: Vec<Placed<K>>,
}

impl<K> Ring<K> {
    /// A ring of `members` for nodes that sign with `algorithm`; no token lives longer than `longest_life`.
    pub fn new(algorithm: Algorithm, longest_life: Duration, mut members: Vec<Member<K>>) -> Self {
        members.sort_by(|a, b| (a.active_from, &a.kid).cmp(&(b.active_from, &b.kid)));
        let nexts: Vec<_> = members.iter().skip(1).map(|next| Some(next.active_from)).chain([None]).collect();
        let place = |(member, next): (Member<K>, Option<DateTime<Utc>>)| {
            let after =
                |grace| next.and_then(|next| next.checked_add_signed(grace)).unwrap_or(DateTime::<Utc>::MAX_UTC);
            Placed { member, signs_until: after(ROLLOUT), verifies_until: after(ROLLOUT + longest_life) }
        };
        Self { algorithm, placed: members.into_iter().zip(nexts).map(place).collect() }
    }

    /// The same ring with what `open` makes of each member; those it makes nothing of are left out. Times stay as they are.
    pub fn try_filter_map<L, E>(&self, mut open: impl FnMut(&Member<K>) -> Result<Option<L>, E>) -> Result<Ring<L>, E> {
        let mut opened = Vec::with_capacity(self.placed.len());
        for Placed { member, signs_until, verifies_until } in &self.placed {
            if let Some(key) = open(member)? {
                let Member { kid, algorithm, active_from, retired_at, key: _ } = member;
                let (kid, algorithm, active_from, retired_at) = (kid.clone(), *algorithm, *active_from, *retired_at);
                let member = Member { kid, algorithm, active_from, retired_at, key };
                opened.push(Placed { member, signs_until: *signs_until, verifies_until: *verifies_until });
            }
        }
        Ok(Ring { algorithm: self.algorithm, placed: opened })
    }

    /// The key that signs now. `None` only where every key was retired.
    ///
    /// A node whose configured algorithm has no key that may sign uses the newest of any algorithm, which all nodes accept.
    pub fn signer(&self, now: DateTime<Utc>) -> Option<&Member<K>> {
        let newest = |any: bool| {
            let able = |placed: &&Placed<K>| placed.may_sign(now) && (any || placed.member.algorithm == self.algorithm);
            self.placed.iter().rev().find(able).map(|placed| &placed.member)
        };
        newest(false).or_else(|| newest(true))
    }

    /// The keys that verify now, the one that signs next among them; the newest first.
    pub fn verifying(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Member<K>> {
        self.placed.iter().rev().filter(move |placed| placed.verifies(now)).map(|placed| &placed.member)
    }

    /// Whether this member, by its name, verifies now.
    pub fn verifies(&self, kid: &str, now: DateTime<Utc>) -> bool {
        self.verifying(now).any(|member| member.kid == kid)
    }

    /// Whether a key of the configured algorithm must be made: none may sign, and none is about to.
    pub fn wants_key(&self, now: DateTime<Utc>) -> bool {
        let serves = |placed: &Placed<K>| {
            let coming = placed.member.active_from > now && !placed.is_retired(now);
            placed.member.algorithm == self.algorithm && (coming || placed.may_sign(now))
        };
        !self.placed.iter().any(serves)
    }

    /// Every key with what it does now and until when it verifies (`None`: no end is known yet), in order.
    pub fn states(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&Member<K>, State, Option<DateTime<Utc>>)> {
        let signer = self.signer(now).map(|member| member.kid.clone());
        self.placed.iter().map(move |placed| {
            let state = match &placed.member {
                _ if !placed.verifies(now) => State::Retired,
                member if member.active_from > now => State::Next,
                member if signer.as_ref() == Some(&member.kid) => State::Signing,
                _ => State::Verifying,
            };
            let end = placed.member.retired_at.unwrap_or(placed.verifies_until).min(placed.verifies_until);
            (&placed.member, state, (end < DateTime::<Utc>::MAX_UTC).then_some(end))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFE: Duration = Duration::hours(24);

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + seconds, 0).unwrap()
    }

    fn first() -> Member<i64> {
        let (kid, algorithm) = ("first".to_owned(), Algorithm::Hs256);
        Member { kid, algorithm, active_from: DateTime::<Utc>::MIN_UTC, retired_at: None, key: i64::MIN }
    }

    fn member(kid: &str, algorithm: Algorithm, active_from: i64) -> Member<i64> {
        Member { kid: kid.to_owned(), algorithm, active_from: at(active_from), retired_at: None, key: 0 }
    }

    fn ring(algorithm: Algorithm, members: &[Member<i64>]) -> Ring<i64> {
        Ring::new(algorithm, LIFE, members.to_vec())
    }

    fn signer(ring: &Ring<i64>, now: i64) -> &str {
        &ring.signer(at(now)).unwrap().kid
    }

    #[test]
    fn the_newest_key_signs_and_the_last_one_verifies_until_its_tokens_are_gone() {
        let keys = [first(), member("a", Algorithm::Hs256, 0), member("b", Algorithm::Hs256, 600)];
        let ring = ring(Algorithm::Hs256, &keys);
        assert_eq!(
            [signer(&ring, -1), signer(&ring, 0), signer(&ring, 599), signer(&ring, 600)],
            ["first", "a", "a", "b"]
        );
        assert!(ring.verifies("b", at(-9)), "the next key verifies before it signs");
        let end = at(600) + ROLLOUT + LIFE;
        assert!(ring.verifies("a", end - Duration::seconds(1)) && !ring.verifies("a", end));
        assert!(ring.verifies("b", end + Duration::days(3_650)));
        let states: Vec<_> = ring.states(at(1)).map(|(member, state, end)| (&*member.kid, state, end)).collect();
        let ends = [Some(at(0) + ROLLOUT + LIFE), Some(end), None];
        assert_eq!(states[0], ("first", State::Verifying, ends[0]));
        assert_eq!(states[1], ("a", State::Signing, ends[1]));
        assert_eq!(states[2], ("b", State::Next, ends[2]));
    }

    #[test]
    fn nodes_of_two_algorithms_each_sign_with_their_own_while_a_rollout_may_last() {
        let keys = [first(), member("e", Algorithm::Es256, 0)];
        let (old, new) = (ring(Algorithm::Hs256, &keys), ring(Algorithm::Es256, &keys));
        let late = ROLLOUT.num_seconds() + 1;
        assert_eq!([signer(&old, 9), signer(&new, 9)], ["first", "e"]);
        assert!(!old.wants_key(at(9)) && !new.wants_key(at(9)));
        // Afterwards what the first key signs would not verify to its end: it signs no more, and another is wanted.
        assert_eq!([signer(&old, late), signer(&new, late)], ["e", "e"]);
        assert!(old.wants_key(at(late)) && !new.wants_key(at(late)));
        let back = [first(), member("e", Algorithm::Es256, 0), member("h", Algorithm::Hs256, late + 60)];
        let old = ring(Algorithm::Hs256, &back);
        assert!(!old.wants_key(at(late)), "it is on its way");
        assert_eq!([signer(&old, late), signer(&old, late + 60)], ["e", "h"]);
    }

    #[test]
    fn an_algorithm_without_a_key_wants_one() {
        assert!(!ring(Algorithm::Hs256, &[first()]).wants_key(at(0)));
        assert!(ring(Algorithm::EdDsa, &[first()]).wants_key(at(0)));
        assert_eq!(signer(&ring(Algorithm::EdDsa, &[first()]), 0), "first");
    }

    #[test]
    fn a_retired_key_does_nothing() {
        let retired = Member { retired_at: Some(at(50)), ..member("a", Algorithm::Hs256, 0) };
        let ring = ring(Algorithm::Hs256, &[first(), retired, member("b", Algorithm::Hs256, 40)]);
        assert!(ring.verifies("a", at(49)) && !ring.verifies("a", at(50)));
        let (_, state, end) = ring.states(at(50)).nth(1).unwrap();
        assert_eq!((state, end), (State::Retired, Some(at(50))));
        // Leaving it out does not lengthen what came before it.
        let rest = ring.try_filter_map(|member| Ok::<_, ()>((member.kid != "a").then_some(()))).unwrap();
        let end = at(0) + ROLLOUT + LIFE;
        assert!(rest.verifies("first", end - Duration::seconds(1)) && !rest.verifies("first", end));
        let lone = Member { retired_at: Some(at(0)), ..member("a", Algorithm::EdDsa, 0) };
        let ring = Ring::new(Algorithm::EdDsa, LIFE, vec![lone]);
        assert!(ring.signer(at(1)).is_none() && ring.wants_key(at(1)));
    }

    fn algorithm() -> impl Strategy<Value = Algorithm> {
        prop::sample::select(Algorithm::ALL.to_vec())
    }

    /// Keys made at `key`, that begin to sign at least half a minute later.
    fn keys() -> impl Strategy<Value = Vec<Member<i64>>> {
        let made = (algorithm(), 0..200_000_i64, 30..100_000_i64);
        prop::collection::vec(made, 0..8).prop_map(|made| {
            let number = |(index, (algorithm, created, overlap)): (usize, (Algorithm, i64, i64))| Member {
                key: created,
                ..member(&index.to_string(), algorithm, created + overlap)
            };
            made.into_iter().enumerate().map(number).chain([first()]).collect()
        })
    }

    /// What a node sees that read the keys at `read`.
    fn view(algorithm: Algorithm, keys: &[Member<i64>], read: i64) -> Ring<i64> {
        let seen: Vec<_> = keys.iter().filter(|member| member.key <= read).cloned().collect();
        ring(algorithm, &seen)
    }

    proptest! {
        #[test]
        fn a_token_verifies_on_every_node_until_it_expires(
            keys in keys(),
            (signs_with, verifies_with) in (algorithm(), algorithm()),
            (signed, later) in (0..400_000_i64, 0..LIFE.num_seconds()),
            (signer_late, verifier_late) in (0..=30_i64, 0..=30_i64),
        ) {
            let node = view(signs_with, &keys, signed - signer_late);
            let kid = &node.signer(at(signed)).unwrap().kid;
            let other = view(verifies_with, &keys, signed + later - verifier_late);
            prop_assert!(other.verifies(kid, at(signed + later)), "{kid}");
        }

        #[test]
        fn at_any_time_one_key_signs_and_it_verifies(keys in keys(), algorithm in algorithm(), now in 0..400_000_i64) {
            let ring = view(algorithm, &keys, now);
            let signing = ring.states(at(now)).filter(|(_, state, _)| *state == State::Signing).count();
            prop_assert_eq!(signing, 1);
            let signer = ring.signer(at(now)).unwrap();
            prop_assert!(ring.verifies(&signer.kid, at(now)));
            prop_assert!(signer.active_from <= at(now));
            let able = |placed: &Placed<_>| placed.member.algorithm == algorithm && placed.may_sign(at(now));
            prop_assert!(signer.algorithm == algorithm || !ring.placed.iter().any(able));
        }
    }
}
