//! What can keep the servers from starting, each with what to do about it.

use std::path::PathBuf;

/// Why the stack did not start or stop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not on this machine.
    #[error("{program} was not found: install Debian's package {package}, or run `make setup`")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package it comes with.
        package: &'static str,
    },
    /// A program is there but too old.
    #[error("{program} {found} is too old: version {needed} or newer is needed")]
    TooOld {
        /// The program.
        program: &'static str,
        /// Its version.
        found: String,
        /// The oldest that works.
        needed: &'static str,
    },
    /// Another process uses the folder.
    #[error("{} is in use by another `civiclens dev` (process {pid}): stop that one, or name another --data-dir", .path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Who holds it.
        pid: String,
    },
    /// The folder was made by another version.
    #[error("{} was made by {made_by}, and this is {here}: use that version, or name another --data-dir", .path.display())]
    OtherVersion {
        /// The folder.
        path: PathBuf,
        /// What made it.
        made_by: String,
        /// What we are.
        here: String,
    },
    /// The folder cannot be used by the unprivileged user that the database runs as.
    #[error("the database must not run as root, and user {user} cannot reach {}: name a --data-dir that it can", .path.display())]
    Unreachable {
        /// The user.
        user: String,
        /// The folder.
        path: PathBuf,
    },
    /// A server ended or did not answer.
    #[error("{name} did not start: {why}\n{log}")]
    NotStarted {
        /// The server.
        name: &'static str,
        /// What was seen.
        why: String,
        /// The end of its log.
        log: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A process could not be started or stopped.
    #[error("{name}: {source}")]
    Process {
        /// The program.
        name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// Makes an error of a file.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
