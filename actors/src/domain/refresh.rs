//! Refresh tokens, and the rule of their rotation: each use gives a successor, the same one until it is used itself.
//!
//! A token is `base64url(session id ‖ generation ‖ tag)`, numbers in network order. The tag is a keyed hash over the
//! session's seed, so the token of any generation can be made again and none of them is stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};

use super::keys::HashKey;
use super::limit::{Budget, Rate};
use super::principal::SessionId;
use super::secret::Secret;

/// What the tag is for, as far as the key is concerned.
const DOMAIN: &str = "refresh";
/// The bytes of a tag.
const TAG: usize = 32;
/// The bytes of a session id, of a generation and of a tag.
const BYTES: usize = size_of::<i64>() + size_of::<u32>() + TAG;

/// What a refresh token stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session it goes on with.
    pub session_id: SessionId,
    /// How many tokens of the session went before it.
    pub generation: u32,
}

impl RefreshToken {
    /// What the tag is a hash of.
    fn parts(self, seed: &[u8; 32]) -> [String; 3] {
        [hex::encode(seed), self.session_id.to_string(), self.generation.to_string()]
    }
}

/// The token of a generation of `session`; always the same one under one key. `seed` is the session's own random secret.
pub fn issue(key: &HashKey, seed: &[u8; 32], session: SessionId, generation: u32) -> Secret {
    let parts = RefreshToken { session_id: session, generation }.parts(seed);
    let tag: [u8; TAG] = key.hash(DOMAIN, &parts.each_ref().map(String::as_str));
    let numbers = [session.get().to_be_bytes().as_slice(), &generation.to_be_bytes()].concat();
    Secret::from(URL_SAFE_NO_PAD.encode([numbers.as_slice(), &tag].concat()))
}

/// What somebody presented as a refresh token. Nothing in it is to be believed before [`Presented::is_authentic`].
#[derive(Clone)]
pub struct Presented {
    token: RefreshToken,
    tag: [u8; TAG],
}

impl Presented {
    /// The session it claims, to look up the seed by.
    pub const fn session_id(&self) -> SessionId {
        self.token.session_id
    }

    /// The generation it claims.
    pub const fn generation(&self) -> u32 {
        self.token.generation
    }

    /// Whether [`issue`] made it under this key, or the one before it, and this seed. Takes as long for a nearly right tag as for a wrong one.
    pub fn is_authentic(&self, key: &HashKey, seed: &[u8; 32]) -> bool {
        key.matches(DOMAIN, &self.token.parts(seed).each_ref().map(String::as_str), &self.tag)
    }
}

impl std::fmt::Debug for Presented {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presented").field("token", &self.token).finish_non_exhaustive()
    }
}

/// Reads a text as a refresh token. Returns `None` if it does not have the form of one.
pub fn parse(text: &str) -> Option<Presented> {
    let mut bytes = [0; BYTES];
    // Anything longer does not fit, so nothing is done for it.
    let read = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let (session, rest) = bytes.split_first_chunk()?;
    let (generation, tag) = rest.split_first_chunk()?;
    let token =
        RefreshToken { session_id: i64::from_be_bytes(*session).into(), generation: u32::from_be_bytes(*generation) };
    (read == BYTES).then_some(Presented { token, tag: tag.try_into().ok()? })
}

/// How often a session was refreshed, and since when that is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refreshes {
    /// How often.
    pub count: u32,
    /// Since when; `None` before the first time.
    pub since: Option<DateTime<Utc>>,
}

impl Refreshes {
    /// One more at `now`. Only what makes a new token is counted, not the same answer given again.
    ///
    /// # Errors
    /// What is left of the limit: nothing, and when there is.
    pub fn one_more(self, rate: Rate, now: DateTime<Utc>) -> Result<Self, Budget> {
        let window = TimeDelta::from_std(rate.window).unwrap_or(TimeDelta::MAX);
        let passed = self.since.map(|since| now - since);
        let Some(passed) = passed.filter(|passed| (TimeDelta::zero()..window).contains(passed)) else {
            return Ok(Self { count: 1, since: Some(now) });
        };
        if self.count < rate.count {
            return Ok(Self { count: self.count + 1, ..self });
        }
        let reset = (window - passed).to_std().unwrap_or_default();
        Err(Budget { limit: rate.count, remaining: 0, reset })
    }
}

/// What is to be done with an authentic token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the latest: its successor, of generation `next`, becomes the latest.
    Rotate {
        /// The generation to give out and to store.
        next: u32,
    },
    /// It was used, but its successor was not: the answer was lost, or two came at once. The same successor goes out again.
    Repeat {
        /// The generation to give out; it is stored already.
        next: u32,
    },
    /// It is the successor of the latest, which was given out unasked, with a new password or a change of the second factor.
    /// The latest stays good until this one is used, which is now: its own successor becomes the latest.
    Skip {
        /// The generation to give out and to store.
        next: u32,
    },
    /// Its successor was used: two hold tokens of this session, and one of them should not. The session ends.
    Reused,
    /// No such generation was given out.
    Unknown,
}

/// Judges a token of generation `presented` in a session whose latest is `current`.
pub fn judge(current: u32, presented: u32) -> Verdict {
    match presented.checked_add(1) {
        Some(next) if presented == current => Verdict::Rotate { next },
        Some(next) if next == current => Verdict::Repeat { next },
        // Nobody can make the tag of a token that was not given out.
        Some(next) if current.checked_add(1) == Some(presented) => Verdict::Skip { next },
        Some(_) if presented < current => Verdict::Reused,
        _ => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(letter: &str) -> HashKey {
        HashKey::new(&Secret::from(letter.repeat(32)))
    }

    proptest! {
        #[test]
        fn a_token_is_of_one_key_seed_session_and_generation(
            seed: [u8; 32], other: [u8; 32], session: i64, generation: u32,
        ) {
            let token = issue(&key("a"), &seed, session.into(), generation);
            prop_assert_eq!(&token, &issue(&key("a"), &seed, session.into(), generation));
            let read = parse(token.expose()).unwrap();
            prop_assert_eq!((read.session_id(), read.generation()), (session.into(), generation));
            prop_assert!(read.is_authentic(&key("a"), &seed));
            prop_assert!(!read.is_authentic(&key("b"), &seed));
            prop_assert_eq!(read.is_authentic(&key("a"), &other), seed == other);
        }

        #[test]
        fn a_changed_token_is_refused(seed: [u8; 32], session: i64, generation: u32, position in 0usize..59) {
            let token = issue(&key("a"), &seed, session.into(), generation);
            let flipped = if token.expose().as_bytes()[position] == b'A' { "B" } else { "A" };
            let mut changed = token.expose().to_owned();
            changed.replace_range(position..=position, flipped);
            prop_assert!(!parse(&changed).is_some_and(|read| read.is_authentic(&key("a"), &seed)));
            prop_assert!(parse(&token.expose()[..position]).is_none());
            let longer = token.expose().to_owned() + "AAAA";
            prop_assert!(parse(&longer).is_none());
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[A-Za-z0-9_=-]{55,62}|\\PC*") {
            if let Some(read) = parse(&text) {
                prop_assert!(!read.is_authentic(&key("a"), &[7; 32]));
            }
        }
    }

    #[test]
    fn the_ends_of_the_numbers_are_safe() {
        for (current, presented, verdict) in [
            (0, 0, Verdict::Rotate { next: 1 }),
            (1, 0, Verdict::Repeat { next: 1 }),
            (2, 0, Verdict::Reused),
            (0, 1, Verdict::Skip { next: 2 }),
            (0, 2, Verdict::Unknown),
            (u32::MAX - 1, u32::MAX, Verdict::Unknown),
            (0, u32::MAX, Verdict::Unknown),
            (u32::MAX, u32::MAX - 1, Verdict::Repeat { next: u32::MAX }),
            (u32::MAX, u32::MAX, Verdict::Unknown),
        ] {
            assert_eq!(judge(current, presented), verdict, "{current} {presented}");
        }
    }

    #[test]
    fn a_presented_token_does_not_show_its_tag() {
        let token = issue(&key("a"), &[7; 32], 9.into(), 3);
        let shown = format!("{:?}", parse(token.expose()).unwrap());
        assert_eq!(shown, "Presented { token: RefreshToken { session_id: SessionId(9), generation: 3 }, .. }");
    }

    /// The least that a server does with the rule: what one row of a session is to it.
    struct Server {
        key: HashKey,
        seed: [u8; 32],
        /// `None` once the session has ended.
        current: Option<u32>,
    }

    impl Server {
        fn new() -> Self {
            Self { key: key("a"), seed: [7; 32], current: Some(0) }
        }

        fn token(&self, generation: u32) -> Secret {
            issue(&self.key, &self.seed, 9.into(), generation)
        }

        fn refresh(&mut self, token: &Secret) -> Option<Secret> {
            let presented = parse(token.expose()).filter(|read| read.is_authentic(&self.key, &self.seed))?;
            let next = match judge(self.current?, presented.generation()) {
                Verdict::Rotate { next } | Verdict::Skip { next } => {
                    self.current = Some(next);
                    next
                }
                Verdict::Repeat { next } => next,
                Verdict::Reused => {
                    self.current = None;
                    return None;
                }
                Verdict::Unknown => return None,
            };
            Some(self.token(next))
        }

        /// Gives the successor of the latest out, as with a new password.
        fn gives(&self) -> Option<Secret> {
            self.current?.checked_add(1).map(|next| self.token(next))
        }
    }

    /// What the holders of a session's tokens can do, in any order.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// Refresh, and keep the new token.
        Refresh(usize),
        /// Refresh, and never get the answer, or throw it away.
        Lose(usize),
        /// Take over the token of another.
        Copy(usize, usize),
        /// Be given a token with a new password, and keep it.
        Given(usize),
        /// Log out.
        Logout,
    }

    const CLIENTS: usize = 4;

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let client = 0..CLIENTS;
        let step = prop_oneof![
            8 => client.clone().prop_map(Step::Refresh),
            5 => client.clone().prop_map(Step::Lose),
            2 => (client.clone(), client.clone()).prop_map(|(from, to)| Step::Copy(from, to)),
            2 => client.prop_map(Step::Given),
            1 => Just(Step::Logout),
        ];
        prop::collection::vec(step, 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        /// The generations that were honoured, in order, are one line: each is the one before or its successor. A second
        /// branch would show as a step back, and ends the session instead.
        #[test]
        fn no_order_of_events_makes_two_live_branches(steps in steps()) {
            let mut server = Server::new();
            let mut holds: Vec<Secret> = (0..CLIENTS).map(|_| server.token(0)).collect();
            let mut last_honoured: Option<u32> = None;
            for step in steps {
                let was_live = server.current.is_some();
                match step {
                    Step::Refresh(client) | Step::Lose(client) => {
                        let sent = parse(holds[client].expose()).unwrap().generation();
                        let answer = server.refresh(&holds[client]);
                        prop_assert!(was_live || answer.is_none(), "an ended session stays ended");
                        let successor_was_used = last_honoured.is_some_and(|last| sent < last);
                        prop_assert_eq!(answer.is_some(), was_live && !successor_was_used);
                        if successor_was_used {
                            prop_assert!(server.current.is_none(), "a second branch ends the session");
                        }
                        if let Some(token) = answer {
                            prop_assert!(last_honoured.is_none_or(|last| (last..=last + 2).contains(&sent)));
                            prop_assert_eq!(&token, &server.token(sent + 1), "one successor for each");
                            last_honoured = Some(sent);
                            if matches!(step, Step::Refresh(_)) {
                                holds[client] = token;
                            }
                        }
                    }
                    Step::Copy(from, to) => holds[to] = holds[from].clone(),
                    Step::Given(client) => holds[client] = server.gives().unwrap_or_else(|| holds[client].clone()),
                    Step::Logout => server.current = None,
                }
                // The latest and the one before open anything, and what may have been given out after the latest.
                if let Some(current) = server.current {
                    let open = (0..=current + 3)
                        .filter(|generation| !matches!(judge(current, *generation), Verdict::Reused | Verdict::Unknown));
                    let expected = (current.saturating_sub(1)..=current + 1).collect::<Vec<_>>();
                    prop_assert_eq!(open.collect::<Vec<_>>(), expected);
                }
            }
            // What nobody ended, the holder of the latest token can go on with.
            let answer = server.current.map(|current| server.refresh(&server.token(current)));
            prop_assert!(answer.is_none_or(|token| token.is_some()));
        }

        /// A new password answers the next token. Whoever throws it away goes on with the one they have, also who never kept
        /// the one before; whoever uses it makes those worthless.
        #[test]
        fn a_token_that_was_given_out_unasked_ends_the_others_once_it_is_used(refreshes in 0u32..5, times in 1usize..4) {
            let mut server = Server::new();
            for generation in 0..refreshes {
                prop_assert!(server.refresh(&server.token(generation)).is_some());
            }
            let given = (0..times).filter_map(|_| server.gives()).next_back().unwrap();
            prop_assert_eq!(&given, &server.token(refreshes + 1));
            if refreshes > 0 {
                prop_assert_eq!(server.refresh(&server.token(refreshes - 1)), Some(server.token(refreshes)));
            }
            prop_assert_eq!(server.refresh(&server.token(refreshes)), Some(given.clone()));
            prop_assert_eq!(server.refresh(&given), Some(server.token(refreshes + 2)));
            prop_assert_eq!(server.refresh(&server.token(refreshes)), None);
        }

        #[test]
        fn who_never_keeps_the_successor_works_on_alone(times in 1usize..100) {
            let mut server = Server::new();
            let first = server.token(0);
            for _ in 0..times {
                prop_assert_eq!(server.refresh(&first), Some(server.token(1)));
            }
            prop_assert!(server.refresh(&server.token(1)).is_some());
            prop_assert_eq!(server.refresh(&first), None);
            prop_assert_eq!(server.refresh(&server.token(2)), None);
        }
    }
}
