//! The embedded stack: `PostgreSQL`, Redis and NATS servers of our own on free loopback ports, with all they keep in one
//! folder. It is what `civiclens dev` and the tests run on; to the service it is no different from any other.
//!
//! Owns: three child processes, their ports, passwords and data.
//!
//! * They are ours alone. They listen on 127.0.0.1 and ask for a password that only the owner of the folder can read, and
//!   the folder is locked: a second stack on it is refused.
//! * They end with us. On Ctrl-C we end them in order, since they are in process groups of their own; when we are killed,
//!   the kernel tells them; what is left over all the same is ended by the next start.
//! * They keep what they were told: a database is moved to its place when it is whole, and whatever goes wrong is an
//!   [`Error`] that says what to do and leaves the folder as it was.
//!
//! `PostgreSQL` refuses to be root. For root it runs as the user `postgres`, or `nobody`; where that user cannot enter the
//! folder, its database is kept below `/var/lib/civiclens-dev`, and the folder's `postgres.location` says where.

mod binaries;
mod child;
mod data_dir;
mod error;
mod files;
mod home;
mod identity;
mod launch;
mod leftovers;
mod logs;
mod nats;
mod passwords;
mod ports;
mod postgres;
mod postgres_init;
mod redis;
mod run_as;
mod server;
mod service;
mod stack;
#[cfg(test)]
mod tests;
mod version;

use std::path::PathBuf;

pub use self::binaries::Binaries;
pub use self::error::Error;
pub use self::service::Service;
pub use self::stack::Stack;
pub use self::version::Version;

/// What a crash of the machine may cost. The end of a server, however sudden, never costs anything that it acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing that was acknowledged by `PostgreSQL` or NATS, and a second of Redis.
    Durable,
    /// Everything: for tests, which do not wait for a disk.
    Ephemeral,
}

/// What to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data, ports, passwords and logs are kept. Made where it is not there.
    pub data_dir: PathBuf,
    /// What a crash of the machine may cost.
    pub durability: Durability,
    /// Where the servers are.
    pub binaries: Binaries,
}
