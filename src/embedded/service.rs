//! The three servers, by name.

use std::fmt;

use super::version::Version;

/// One of the servers of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// The database: what is true.
    Postgres,
    /// The short memory: codes and counters.
    Redis,
    /// The voice: events and jobs.
    Nats,
}

impl Service {
    /// All of them, in the order in which they are listed everywhere.
    pub(super) const ALL: [Self; 3] = [Self::Postgres, Self::Redis, Self::Nats];

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Redis => "Redis",
            Self::Nats => "NATS",
        }
    }

    /// Its name in the data folder.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    /// The program that is started.
    pub(super) fn program(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        }
    }

    /// The variable that names where the program is.
    pub(super) fn variable(self) -> &'static str {
        match self {
            Self::Postgres => "CIVICLENS_POSTGRES_BIN",
            Self::Redis => "CIVICLENS_REDIS_SERVER",
            Self::Nats => "CIVICLENS_NATS_SERVER",
        }
    }

    /// How to get it, as the end of a sentence.
    pub(super) fn remedy(self) -> &'static str {
        match self {
            Self::Postgres => "run `make setup`, or install the Debian package postgresql",
            Self::Redis => "run `make setup`, or install the Debian package redis-server",
            Self::Nats => "run `make setup`, which puts one below .tools/ (Debian's own nats-server may be too old)",
        }
    }

    /// The oldest version that works: what older ones lack is listed in the documentation.
    pub(super) fn oldest(self) -> Version {
        match self {
            Self::Postgres => Version { major: 15, minor: 0 },
            Self::Redis => Version { major: 7, minor: 0 },
            Self::Nats => Version { major: 2, minor: 11 },
        }
    }

    /// The signals that end it, from polite to firm, each with the seconds it gets. After the last one it is killed.
    ///
    /// To `PostgreSQL`, INT is a fast shutdown (clients are cut off, everything is written) and QUIT an immediate one
    /// (its processes end, the next start recovers).
    pub(super) fn farewell(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Postgres => &[("INT", 20), ("QUIT", 3)],
            Self::Redis => &[("TERM", 10)],
            Self::Nats => &[("INT", 10)],
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
