//! Small files that only we read.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use civiclens_actors::domain::entropy::{self, SystemEntropy};

use super::Error;

/// Writes a file that only its owner can read, whole or not at all.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let fresh = path.with_added_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    };
    write().map_err(Error::file(path))
}

/// The text of a file; `None` when there is no such file.
pub(super) fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(Error::file(path)(reason)),
    }
}

/// Makes a folder and those above it with the permissions `mode`, unless it is there.
pub(super) fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    fs::DirBuilder::new().recursive(true).mode(mode).create(path).map_err(Error::file(path))
}

/// `N` random bytes.
pub(super) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let drawn = entropy::bytes(&SystemEntropy::default());
    drawn.map_err(|_| Error::System { what: "drawing random bytes", reason: io::ErrorKind::Other.into() })
}
