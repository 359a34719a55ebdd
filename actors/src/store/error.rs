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

/// Whether what `code` (SQLSTATE) tells of passes by itself, so that the same statement may work a moment later.
fn passes(code: &str) -> bool {
    // Connection, resources, operator intervention.
    let class = ["08", "53", "57P"].iter().any(|class| code.starts_with(class));
    // Query cancelled by our own time limit, lock not available, deadlock, serialization failure, read-only: the server
    // was demoted and its successor is about to take the address over.
    class || matches!(code, "57014" | "55P03" | "40P01" | "40001" | "25006")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_by_itself_is_told_from_a_defect() {
        for code in ["08006", "53300", "57P01", "57P03", "57014", "55P03", "40P01", "40001", "25006"] {
            assert!(passes(code), "{code}");
        }
        for code in ["", "23505", "42P01", "22003", "25P02", "40002"] {
            assert!(!passes(code), "{code}");
        }
    }
}
