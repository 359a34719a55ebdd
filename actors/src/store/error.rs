//! What can go wrong with the database, in three kinds that callers treat differently.

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL cannot be reached, is starting or stopping, had no connection free in time, or gave the statement up
    /// for a reason that passes: it took too long, it met another one, or this server has become a replica.
    #[error("the database cannot do it now")]
    Unavailable(#[source] sqlx::Error),
    /// The statement broke a rule that the database keeps, named here by its constraint.
    #[error("the database refused: {constraint}")]
    Refused {
        /// The constraint.
        constraint: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// A row holds what the program does not know: another version's work, or damage.
    #[error("{table}.{column} holds an unknown value")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// Anything else: a defect.
    #[error("the database failed")]
    Failed(#[source] sqlx::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::Database(database) => {
                if database.code().is_some_and(|code| passes(&code)) {
                    return Self::Unavailable(error);
                }
                match database.constraint().map(str::to_owned) {
                    Some(constraint) => Self::Refused { constraint, source: error },
                    None => Self::Failed(error),
                }
            }
            _ => Self::Failed(error),
        }
    }
}

/// Why a connection is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// The server is gone, was stopped, or does not answer. What was asked may have been done.
    Server,
    /// The server said that it is going before it did anything.
    Stopping,
    /// The server takes no writes (any more): it was demoted, and its successor has the address or is about to.
    ReadOnly,
    /// What the server prepared on this connection does not fit any more: the schema changed, or somebody discarded it.
    Plan,
}

impl Loss {
    /// Whether nothing of the statement happened, so that it can be repeated, whatever it was.
    pub(super) const fn did_nothing(self) -> bool {
        !matches!(self, Self::Server)
    }
}

/// Whether `error` says that its connection should be replaced, and why.
pub(super) fn loss(error: &sqlx::Error) -> Option<Loss> {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => {
            Some(Loss::Server)
        }
        sqlx::Error::Database(database) => database.code().as_deref().and_then(loss_of),
        _ => None,
    }
}

fn loss_of(code: &str) -> Option<Loss> {
    match code {
        "57P01" | "57P02" | "57P03" => Some(Loss::Stopping),
        "25006" => Some(Loss::ReadOnly),
        // "cached plan must not change result type"; an unknown prepared statement.
        "0A000" | "26000" => Some(Loss::Plan),
        // Connection exceptions; ended for being idle.
        "57P05" | "25P03" => Some(Loss::Server),
        code if code.starts_with("08") => Some(Loss::Server),
        _ => None,
    }
}

/// Whether what `code` (SQLSTATE) tells of passes by itself, so that the same statement may work a moment later.
fn passes(code: &str) -> bool {
    // Connection, resources, operator intervention.
    let class = ["08", "53", "57P"].iter().any(|class| code.starts_with(class));
    // Query cancelled by our own time limit, lock not available, deadlock, serialization failure, read-only: the server
    // was demoted and its successor is about to take the address over. Idle for too long inside a transaction. A prepared
    // statement that does not fit the schema any more: its connection is replaced.
    class || matches!(code, "57014" | "55P03" | "40P01" | "40001" | "25006" | "25P03" | "0A000" | "26000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_a_defect() {
        for code in ["08006", "53300", "57P01", "57P03", "57014", "55P03", "40P01", "40001", "25006", "0A000"] {
            assert!(passes(code), "{code}");
        }
        for code in ["", "23505", "42P01", "22003", "25P02", "40002"] {
            assert!(!passes(code), "{code}");
        }
    }

    #[test]
    fn only_what_did_nothing_is_repeated_whatever_it_was() {
        for (code, lost) in [
            ("0A000", Some(true)),
            ("25006", Some(true)),
            ("57P01", Some(true)),
            ("08006", Some(false)),
            ("25P03", Some(false)),
            ("57014", None),
            ("40P01", None),
            ("23505", None),
            ("53100", None),
        ] {
            assert_eq!(loss_of(code).map(Loss::did_nothing), lost, "{code}");
            assert!(lost.is_none() || passes(code), "a lost server is no defect: {code}");
        }
    }
}
