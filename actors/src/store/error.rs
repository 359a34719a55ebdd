//! What can go wrong with the database, in three kinds that callers treat differently.

/// A failure of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// PostgreSQL cannot be reached, is starting or stopping, or had no connection free in time.
    #[error("the database cannot be reached")]
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
                // Classes 08 (connection), 53 (resources) and 57P (operator intervention) pass by themselves.
                let code = database.code().unwrap_or_default();
                if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") {
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
