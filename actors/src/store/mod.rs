//! The one door to PostgreSQL: the pool, the unit of work, and all SQL, a file a table.
//!
//! Owns: connections. Bound: the pool's size and the time a caller waits for a connection. When PostgreSQL is away every
//! call fails with [`Error::Unavailable`] and nothing is half-written.

pub mod accounts;
pub mod audit;
mod bell;
mod connection;
mod consequences;
mod error;
pub mod outbox;
mod pool;
pub mod refresh;
pub mod revocations;
pub mod sessions;
pub mod signing_keys;
pub mod two_factors;
mod unit_of_work;
pub mod users;

pub use error::Error;
pub use pool::{Config, Db, MigrateError};
pub use unit_of_work::UnitOfWork;
