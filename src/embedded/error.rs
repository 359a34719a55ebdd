//! What keeps the servers from running, each as a sentence that says what to do.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use super::service::Service;
use super::version::Version;

/// Why the stack did not start or stop. Whatever it is, nothing in the data folder was destroyed.
///
/// Each sentence holds all there is to say: no error has a `source`, which would be printed a second time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server is not on this machine.
    #[error("{service} was not found on this machine: {}", .service.remedy())]
    Missing {
        /// The server.
        service: Service,
    },
    /// The place a variable names has no such server.
    #[error("there is no {} at {}: correct or unset {}", .service.program(), .path.display(), .service.variable())]
    MissingThere {
        /// The server.
        service: Service,
        /// Where it should have been.
        path: PathBuf,
    },
    /// A server is there, but too old.
    #[error(
        "{service} {found} ({}) is too old, {} or newer is needed: {}",
        .path.display(), .service.oldest(), .service.remedy()
    )]
    TooOld {
        /// The server.
        service: Service,
        /// The program.
        path: PathBuf,
        /// Its version.
        found: Version,
    },
    /// A program of the base system is not on this machine.
    #[error("{program} could not be run ({reason}): install the Debian package {package}")]
    MissingTool {
        /// The program.
        program: &'static str,
        /// The package it comes with.
        package: &'static str,
        /// Why it could not be run.
        reason: io::Error,
    },
    /// Another process holds the data folder.
    #[error(
        "{} is in use by another `civiclens dev`, process {pid}: stop that one, or name another folder with --data-dir",
        .path.display()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// The process that holds it.
        pid: String,
    },
    /// The data folder was written by a later program.
    #[error(
        "{} has layout {found} of a newer civiclens, and this one knows {known}: run the newer one, or name another \
         folder with --data-dir",
        .path.display()
    )]
    NewerLayout {
        /// The folder.
        path: PathBuf,
        /// The layout it has.
        found: String,
        /// The layout that is understood.
        known: u32,
    },
    /// The database was made by another major version.
    #[error(
        "the database in {} was made by PostgreSQL {made_by}, and this machine has PostgreSQL {installed}: install \
         PostgreSQL {made_by}, or name another folder with --data-dir",
        .path.display()
    )]
    OtherPostgres {
        /// Where the database is.
        path: PathBuf,
        /// The major version that made it.
        made_by: u32,
        /// The version that is installed.
        installed: Version,
    },
    /// Something else is where the database belongs.
    #[error("{} is not empty and not a database: move it away, or name another folder with --data-dir", .path.display())]
    NotADatabase {
        /// Where the database belongs.
        path: PathBuf,
    },
    /// The database belongs to another user of the machine.
    #[error("{} belongs to user {owner}: start as that user, or name another folder with --data-dir", .path.display())]
    NotOurs {
        /// Where the database is.
        path: PathBuf,
        /// The numeric id of its owner.
        owner: u32,
    },
    /// A file that cannot be made again is gone or unreadable.
    #[error("{} {what}: restore it, or name another folder with --data-dir", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// `PostgreSQL` refuses to run as root, and its unprivileged user cannot enter the folder.
    #[error(
        "PostgreSQL must not run as root, and user {user} cannot enter {}: open its parent folders to that user \
         (chmod o+x), or name another folder with --data-dir",
        .path.display()
    )]
    Unreachable {
        /// The folder.
        path: PathBuf,
        /// The numeric id of the user.
        user: u32,
    },
    /// There is no unprivileged user.
    #[error("PostgreSQL must not run as root, and this machine has neither a user postgres nor a user nobody: add one")]
    NoUser,
    /// A server or a preparing step ended when it should not have.
    #[error("{what} failed ({status}){}. {log_name} ends with:\n{tail}", hint(.tail))]
    Ended {
        /// What was being done.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// Its log.
        log_name: String,
        /// The last lines of the log.
        tail: String,
    },
    /// A server runs but does not answer as it should.
    #[error("{service} does not answer as it should: {why}{}. {log_name} ends with:\n{tail}", hint(.tail))]
    NotReady {
        /// The server.
        service: Service,
        /// What the last attempt said.
        why: String,
        /// Its log.
        log_name: String,
        /// The last lines of the log.
        tail: String,
    },
    /// Other programs took each port that was chosen, or the port that must be kept.
    #[error("{service} could not listen on port {port} of 127.0.0.1, another program took it: start again")]
    PortTaken {
        /// The server.
        service: Service,
        /// The last port that was tried.
        port: u16,
    },
    /// A server of an earlier run cannot be ended.
    #[error("{service} of an earlier run (process {pid}) does not end: end it, then start again")]
    Leftover {
        /// The server.
        service: Service,
        /// Its process.
        pid: u32,
    },
    /// A file or folder could not be read or written.
    #[error("{}: {reason}{}", .path.display(), advice(.reason))]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
    /// The system refused something that has no file.
    #[error("{what} failed: {reason}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        reason: io::Error,
    },
}

impl Error {
    /// Makes an error of what the system said about `path`.
    pub(super) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |reason| Self::File { path, reason }
    }

    /// The end of the log that the error carries.
    pub(super) fn log_tail(&self) -> &str {
        match self {
            Self::Ended { tail, .. } | Self::NotReady { tail, .. } => tail,
            _ => "",
        }
    }
}

/// What the log of a server says about the machine.
fn hint(tail: &str) -> &'static str {
    if tail.to_lowercase().contains("no space left on device") {
        "; the disk is full: free some space and start again"
    } else {
        ""
    }
}

fn advice(reason: &io::Error) -> &'static str {
    match reason.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; make it writable for this user, or name another folder with --data-dir"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; the disk is full: free some space and start again"
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn each_error_names_what_to_do() {
        let path = || PathBuf::from("/data");
        let said = |error: Error| error.to_string();
        assert_eq!(
            said(Error::Missing { service: Service::Redis }),
            "Redis was not found on this machine: run `make setup`, or install the Debian package redis-server"
        );
        assert_eq!(
            said(Error::TooOld { service: Service::Nats, path: path(), found: Version { major: 2, minor: 9 } }),
            "NATS 2.9 (/data) is too old, 2.11 or newer is needed: run `make setup`, which puts one below .tools/ \
             (Debian's own nats-server may be too old)"
        );
        assert_eq!(
            said(Error::InUse { path: path(), pid: "42".to_owned() }),
            "/data is in use by another `civiclens dev`, process 42: stop that one, or name another folder with --data-dir"
        );
        let installed = Version { major: 17, minor: 2 };
        assert_eq!(
            said(Error::OtherPostgres { path: path(), made_by: 15, installed }),
            "the database in /data was made by PostgreSQL 15, and this machine has PostgreSQL 17.2: install PostgreSQL \
             15, or name another folder with --data-dir"
        );
    }

    #[test]
    fn a_full_disk_is_recognised_in_a_log_and_in_an_error() {
        let tail = "could not extend file: No space left on device".to_owned();
        let status = ExitStatus::from_raw(256);
        let ended =
            Error::Ended { what: "starting PostgreSQL".to_owned(), status, log_name: "postgres.log".to_owned(), tail };
        assert_eq!(
            ended.to_string(),
            "starting PostgreSQL failed (exit status: 1); the disk is full: free some space and start again. \
             postgres.log ends with:\ncould not extend file: No space left on device"
        );
        let full = Error::file("/data/lock")(io::ErrorKind::StorageFull.into()).to_string();
        assert!(full.ends_with("the disk is full: free some space and start again"), "{full}");
    }
}
