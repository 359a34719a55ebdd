//! Every subject and every stream name, built from one prefix.
//!
//! No other file holds a subject literal. The prefix is `civiclens` in production; a test or a second environment on the
//! same server takes its own and hears nothing of the others.

use std::fmt;

/// The longest prefix; stream names stay well under the server's limit and file names short.
const MAX_PREFIX: usize = 32;

/// A prefix that is not one lower-case token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the NATS subject prefix {0:?} must be 1 to 32 of a-z, 0-9, '_' and '-'")]
pub struct InvalidPrefix(pub String);

/// A channel on which people are told things, each with jobs, workers and dead letters of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// Text messages.
    Sms,
    /// Electronic mail.
    Email,
    /// Push messages to a device or browser.
    Push,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sms, Self::Email, Self::Push];

    /// The last token of its subjects, and the name of its consumer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Push => "push",
        }
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One of our streams; [`streams`](crate::streams) says what each keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StreamKind {
    /// What happened here, for other services.
    Events,
    /// Jobs for the notification workers.
    Notify,
    /// Jobs that could not be done, with why.
    NotifyDead,
    /// What citizens did elsewhere, for reputation.
    Activity,
}

impl StreamKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Events, Self::Notify, Self::NotifyDead, Self::Activity];

    fn suffix(self) -> &'static str {
        match self {
            Self::Events => "EVENTS",
            Self::Notify => "NOTIFY",
            Self::NotifyDead => "NOTIFY_DEAD",
            Self::Activity => "ACTIVITY",
        }
    }
}

/// Builds subjects and stream names under one prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subjects {
    prefix: String,
}

impl Default for Subjects {
    fn default() -> Self {
        Self { prefix: "civiclens".to_owned() }
    }
}

impl Subjects {
    /// Subjects under `prefix`: one token of `a-z`, `0-9`, `_` and `-`.
    ///
    /// Two prefixes that differ only in `-` against `_` give the same stream names; do not use both on one server.
    ///
    /// # Errors
    /// [`InvalidPrefix`] when it is anything else, so that no wildcard and no second token can slip in.
    pub fn new(prefix: impl Into<String>) -> Result<Self, InvalidPrefix> {
        let prefix = prefix.into();
        let fits = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_' || c == b'-';
        if prefix.is_empty() || prefix.len() > MAX_PREFIX || !prefix.bytes().all(fits) {
            return Err(InvalidPrefix(prefix));
        }
        Ok(Self { prefix })
    }

    /// The first token of every subject.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Where the event called `name` is published: `<prefix>.event.user.registered`.
    pub fn event(&self, name: &str) -> String {
        format!("{}.event.{name}", self.prefix)
    }

    /// Every event.
    pub fn events_all(&self) -> String {
        self.event(">")
    }

    /// Where jobs for a channel are published: `<prefix>.notify.sms`.
    pub fn notify(&self, channel: Channel) -> String {
        format!("{}.notify.{channel}", self.prefix)
    }

    /// The jobs of every channel.
    pub fn notify_all(&self) -> String {
        format!("{}.notify.*", self.prefix)
    }

    /// Where a channel's dead letters are published: `<prefix>.notify_dead.sms`.
    pub fn notify_dead(&self, channel: Channel) -> String {
        format!("{}.notify_dead.{channel}", self.prefix)
    }

    /// Every dead letter.
    pub fn notify_dead_all(&self) -> String {
        format!("{}.notify_dead.>", self.prefix)
    }

    /// Where other services publish what citizens did: `<prefix>.activity.report_submitted`.
    pub fn activity(&self, name: &str) -> String {
        format!("{}.activity.{name}", self.prefix)
    }

    /// Every activity.
    pub fn activity_all(&self) -> String {
        self.activity("*")
    }

    /// Where revoked sessions are announced. Plain NATS, no stream: every node hears it, or re-reads a little later.
    pub fn broadcast_revocation(&self) -> String {
        format!("{}.broadcast.revocation", self.prefix)
    }

    /// A stream's name: `CIVICLENS_EVENTS`, or `T1_EVENTS` under the prefix `t1`.
    pub fn stream(&self, kind: StreamKind) -> String {
        format!("{}_{}", self.prefix.to_ascii_uppercase().replace('-', "_"), kind.suffix())
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn the_default_is_the_contract() {
        let subjects = Subjects::default();
        assert_eq!(subjects.event("user.registered"), "civiclens.event.user.registered");
        assert_eq!(subjects.events_all(), "civiclens.event.>");
        assert_eq!(subjects.notify(Channel::Sms), "civiclens.notify.sms");
        assert_eq!(subjects.notify_dead(Channel::Push), "civiclens.notify_dead.push");
        assert_eq!(subjects.activity("report_submitted"), "civiclens.activity.report_submitted");
        assert_eq!(subjects.broadcast_revocation(), "civiclens.broadcast.revocation");
        let names = StreamKind::ALL.map(|kind| subjects.stream(kind));
        assert_eq!(names, ["CIVICLENS_EVENTS", "CIVICLENS_NOTIFY", "CIVICLENS_NOTIFY_DEAD", "CIVICLENS_ACTIVITY"]);
    }

    #[test]
    fn another_prefix_shares_nothing() {
        let subjects = Subjects::new("t-1").unwrap();
        assert_eq!(subjects.events_all(), "t-1.event.>");
        assert_eq!(subjects.stream(StreamKind::Events), "T_1_EVENTS");
    }

    #[test]
    fn a_prefix_is_one_plain_token() {
        for bad in ["", "a.b", "*", ">", "A", "a b", "é", &"a".repeat(33)] {
            assert_eq!(Subjects::new(bad), Err(InvalidPrefix(bad.to_owned())));
        }
    }
}
