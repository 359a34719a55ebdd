//! Which refusals are recorded one by one, and which as a number: nobody can fill the log by being refused.
//!
//! Of refusals that are alike (what was refused, why, whom, from which network) the first of each minute are recorded singly.
//! What comes after them is counted, and recorded once as a number when the minute is over.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::audit::{Action, Entry};
use super::client::network_bits;
use super::principal::UserId;

/// How many refusals that are alike are recorded singly in a minute.
pub const SINGLY: u32 = 20;
/// For how long refusals that are alike are counted together.
const MINUTE: TimeDelta = TimeDelta::minutes(1);
/// How many kinds are told apart at a time. Where there are more, persons and networks are told apart no longer.
const MOST: usize = 4_096;

/// What refusals have in common that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    action: Action,
    reason: String,
    person: Option<UserId>,
    network: Option<u128>,
}

#[derive(Debug)]
struct Counted {
    since: DateTime<Utc>,
    singly: u32,
    further: u32,
    /// The first that was counted only.
    example: Option<Entry>,
}

/// The refusals of the last minute.
#[derive(Debug, Default)]
pub struct Refusals {
    kinds: HashMap<Kind, Counted>,
}

impl Refusals {
    /// Answers the refusal if it is to be recorded by itself; else it is counted.
    pub fn note(&mut self, entry: Entry, now: DateTime<Utc>) -> Option<Entry> {
        let reason = ["reason", "code"].iter().find_map(|name| entry.details.get(*name)?.as_str());
        let mut kind = Kind {
            action: entry.action,
            reason: reason.unwrap_or_default().to_owned(),
            // Where somebody else's account was tried, the answer must not tell by its time whether there is one: persons are
            // not told apart there.
            person: entry.subject.filter(|_| !tries_accounts(entry.action)),
            network: entry.ip.map(network_bits),
        };
        if self.kinds.len() >= MOST && !self.kinds.contains_key(&kind) {
            kind = Kind { person: None, network: None, ..kind };
        }
        let fresh = || Counted { since: now, singly: 0, further: 0, example: None };
        let counted = self.kinds.entry(kind).or_insert_with(fresh);
        if counted.singly < SINGLY {
            counted.singly += 1;
            return Some(entry);
        }
        counted.further = counted.further.saturating_add(1);
        counted.example.get_or_insert(entry);
        None
    }

    /// What was counted in minutes that are over, to be recorded; all there is if `all`.
    pub fn due(&mut self, now: DateTime<Utc>, all: bool) -> Vec<Entry> {
        let over = |counted: &Counted| all || now - counted.since >= MINUTE || now < counted.since;
        let gone = self.kinds.extract_if(|_, counted| over(counted));
        gone.filter_map(|(kind, counted)| record(&kind, counted, now)).collect()
    }
}

/// Whether a refusal of this kind answers a stranger who tries other people's accounts.
const fn tries_accounts(action: Action) -> bool {
    matches!(action, Action::PasswordResetFailed | Action::InvitationRefused)
}

/// One record of all that were counted and not recorded.
fn record(kind: &Kind, counted: Counted, now: DateTime<Utc>) -> Option<Entry> {
    let Counted { since, further, example, .. } = counted;
    let mut entry = example?;
    // What only one request was like is not told of all.
    entry.request_id = None;
    entry.user_agent = None;
    entry.resource = None;
    entry.details.retain(|name, _| matches!(name.as_str(), "reason" | "code" | "method"));
    if kind.person.is_none() {
        (entry.subject, entry.actor) = (None, None);
    }
    if kind.network.is_none() {
        entry.ip = None;
    }
    Some(entry.with("count", further).with("from", since.to_rfc3339()).with("until", now.to_rfc3339()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::client::Client;

    fn refusal(person: i64, host: u8, code: &str) -> Entry {
        let client = Client { ip: [192, 0, 2, host].into(), ..Client::nobody() };
        Entry::by_user(Action::AccessDenied, person.into(), &client).with("code", code).with("route", "/x")
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn the_first_of_a_minute_are_recorded_and_the_rest_are_counted() {
        let mut refusals = Refusals::default();
        let recorded = (0..100).filter_map(|_| refusals.note(refusal(7, 1, "forbidden"), at(0))).count();
        assert_eq!(recorded, 20);
        assert!(refusals.note(refusal(7, 1, "other"), at(1)).is_some());
        assert!(refusals.note(refusal(8, 1, "forbidden"), at(1)).is_some());
        assert!(refusals.note(refusal(7, 2, "forbidden"), at(1)).is_some());
        assert!(refusals.due(at(59), false).is_empty());
        let due = refusals.due(at(60), false);
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].subject, &due[0].details["count"]), (Some(7.into()), &80.into()));
        assert_eq!((&due[0].details["code"], due[0].details.get("route")), (&"forbidden".into(), None));
        assert!(refusals.note(refusal(7, 1, "forbidden"), at(61)).is_some());
        assert!(refusals.due(at(61), true).is_empty() && refusals.kinds.is_empty());
    }

    #[test]
    fn who_tries_other_peoples_accounts_does_not_learn_which_there_are() {
        let mut refusals = Refusals::default();
        let tried = |subject: Option<i64>| {
            let mut entry = Entry::by_stranger(Action::PasswordResetFailed, &Client::nobody());
            entry.subject = subject.map(Into::into);
            entry
        };
        let recorded = (0..40).filter_map(|_| refusals.note(tried(None), at(0))).count();
        assert_eq!(recorded, 20);
        assert!(refusals.note(tried(Some(7)), at(0)).is_none());
        assert_eq!(refusals.due(at(60), false)[0].subject, None);
    }

    #[test]
    fn more_kinds_than_can_be_told_apart_are_one() {
        let mut refusals = Refusals::default();
        let people = 2 * i64::try_from(MOST).unwrap();
        let recorded = (0..people).filter_map(|person| refusals.note(refusal(person, 1, "x"), at(0))).count();
        assert_eq!((recorded, refusals.kinds.len()), (MOST + 20, MOST + 1));
        let due = refusals.due(at(60), false);
        assert_eq!((due.len(), due[0].subject, due[0].ip), (1, None, None));
        assert_eq!(due[0].details["count"], MOST - 20);
    }

    proptest! {
        /// Whatever comes when: none is lost, and the log grows by a bounded number a minute.
        #[test]
        fn every_refusal_is_in_the_log_once(
            acts in prop::collection::vec((0i64..3, 1u8..3, 0i64..30), 1..300),
        ) {
            let (mut refusals, mut now, mut single, mut counted, mut records) = (Refusals::default(), 0, 0, 0, 0);
            let number = acts.len();
            let mut tell = |due: Vec<Entry>| {
                records += due.len();
                counted += due.iter().filter_map(|entry| entry.details["count"].as_u64()).sum::<u64>();
            };
            for (person, host, pause) in acts {
                now += pause / 10;
                single += u64::from(refusals.note(refusal(person, host, "x"), at(now)).is_some());
                tell(refusals.due(at(now), false));
            }
            tell(refusals.due(at(now), true));
            prop_assert_eq!(single + counted, u64::try_from(number).unwrap());
            let minutes = usize::try_from(now / 60 + 2).unwrap();
            prop_assert!(records <= 6 * minutes);
            prop_assert!(single <= u64::try_from(6 * 20 * minutes).unwrap());
        }
    }
}
