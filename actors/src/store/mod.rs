//! The one door to PostgreSQL: the pool, the unit of work, and all SQL, a file for each subject.
//!
//! Owns: connections. Bound: the pool's size and the time a caller waits for a connection. When PostgreSQL is away every
//! call fails with [`Error::Unavailable`] and nothing is half-written.
//!
//! # The order of locks
//! A transaction that locks more than one row of what belongs to a user takes the locks in this order, so that two of them never
//! wait for each other:
//! 1. the row of `users`, `FOR NO KEY UPDATE` ([`UnitOfWork::lock_account`], [`UnitOfWork::lock_user`],
//!    [`UnitOfWork::find_or_register`]); of several users, by id;
//! 2. rows of `sessions`, by id ([`UnitOfWork::lock_session`] and what revokes);
//! 3. everything else of the user: `two_factors`, `two_factor_enrolments`, `backup_codes`, `known_devices`;
//! 4. `audit_log` and `outbox`, which [`UnitOfWork::commit`] writes last.
//!
//! Who locks a single session and nothing else of a user (refresh, log out, a proof noted) need not take the first lock: it waits for
//! nothing while it holds one. What sweeps over many users (idle sessions, uses, clean-up, sealing again) passes over locked rows
//! (`SKIP LOCKED`) and so never waits. While a transaction is open no second connection is asked for.

pub mod accounts;
pub mod audit;
mod bell;
mod connection;
mod consequences;
mod error;
mod failures;
pub mod invitations;
pub mod otp_decisions;
pub mod outbox;
mod password_resets;
mod pool;
pub mod refresh;
pub mod revocations;
pub mod sessions;
pub mod signing_keys;
mod token_epochs;
pub mod two_factors;
mod unit_of_work;
pub mod users;

pub use connection::Losses;
pub use error::Error;
pub use pool::{Config, Db, MigrateError};
pub use unit_of_work::UnitOfWork;
