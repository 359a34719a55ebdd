//! The passwords of the servers: made once, kept in a file that only its owner can read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, files};

/// One password for each door. They are hexadecimal, so that a URL, SQL or a configuration takes them as they are.
#[derive(Serialize, Deserialize)]
pub(super) struct Passwords {
    /// Of the role `postgres`, which may do anything; for repairs by hand.
    pub(super) postgres_superuser: String,
    /// Of the role `civiclens`.
    pub(super) postgres: String,
    /// Of Redis.
    pub(super) redis: String,
    /// Of the NATS user `civiclens`.
    pub(super) nats: String,
}

impl Passwords {
    /// Reads the file, or makes it where there is no database yet that would know another password.
    pub(super) fn load(path: &Path, database_exists: bool) -> Result<Self, Error> {
        let damaged = |what| Error::Damaged { path: path.to_owned(), what };
        match files::read(path)? {
            Some(text) => serde_json::from_str(&text).map_err(|_| damaged("is not what was written to it")),
            None if database_exists => Err(damaged("is gone, and with it the password of the database")),
            None => {
                let passwords = Self::random()?;
                let reason = |error: serde_json::Error| Error::file(path)(error.into());
                files::write_private(path, &serde_json::to_string_pretty(&passwords).map_err(reason)?)?;
                Ok(passwords)
            }
        }
    }

    fn random() -> Result<Self, Error> {
        let next = || files::random::<24>().map(hex::encode);
        Ok(Self { postgres_superuser: next()?, postgres: next()?, redis: next()?, nats: next()? })
    }
}
