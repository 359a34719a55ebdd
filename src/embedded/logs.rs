//! The logs of the servers: one file for this run, one for the run before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Error;

/// How much of the end of a log an error shows.
const LINES: usize = 12;
/// How far back it looks for them.
const BYTES: u64 = 8 * 1024;

/// Puts the log of the last run aside, over that of the run before.
pub(super) fn rotate(path: &Path) -> Result<(), Error> {
    match fs::rename(path, path.with_added_extension("1")) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => Err(Error::file(path)(reason)),
        _ => Ok(()),
    }
}

/// Opens a log for a server to write to, after what is there. Only its owner can read it.
pub(super) fn open(path: &Path) -> Result<File, Error> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(Error::file(path))
}

/// How long a log is: where that of the next process starts.
pub(super) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// The last lines of a log from `start` on; empty when it cannot be read.
pub(super) fn tail(path: &Path, start: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(start.max(length(path).saturating_sub(BYTES))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("\n")
}
