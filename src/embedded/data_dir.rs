//! The data folder: its lock, its layout, and where everything is in it.
//!
//! ```text
//! VERSION             the layout, a number
//! lock                held while we run, with our process id in it
//! passwords.json      only its owner can read it
//! logs/               <server>.log of this run, <server>.log.1 of the run before
//! run/                <server>.pid and <server>.port
//! postgres/           the database; postgres.location says where it is when it cannot be here
//! redis/  nats/       their configuration and data
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::service::Service;
use super::{Error, files, run_as};

/// The layout that is written and understood.
const LAYOUT: u32 = 1;

/// The folder, held for as long as this lives.
#[derive(Debug)]
pub(super) struct DataDir {
    root: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes the folder where there is none, and takes it. A folder of a newer layout is left as it is.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        // The user that runs the database for root must be able to pass through; what is inside is closed on its own.
        let mode = if run_as::is_root()? { 0o711 } else { 0o700 };
        files::make_folder(path, mode)?;
        let root = path.canonicalize().map_err(Error::file(path))?;
        let lock = lock(&root)?;
        check_layout(&root)?;
        let this = Self { root, _lock: lock };
        for name in ["logs", "run", Service::Redis.key(), Service::Nats.key()] {
            files::make_folder(&this.root.join(name), 0o700)?;
        }
        Ok(this)
    }

    /// The folder itself, absolute.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of a server.
    pub(super) fn of(&self, service: Service) -> PathBuf {
        self.root.join(service.key())
    }

    /// A log.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.root.join("logs").join(name).with_added_extension("log")
    }

    /// Where the process of a server is noted.
    pub(super) fn pid_file(&self, service: Service) -> PathBuf {
        self.root.join("run").join(service.key()).with_added_extension("pid")
    }

    /// Where the port of a server is noted.
    pub(super) fn port_file(&self, service: Service) -> PathBuf {
        self.root.join("run").join(service.key()).with_added_extension("port")
    }

    /// The file of the passwords.
    pub(super) fn passwords(&self) -> PathBuf {
        self.root.join("passwords.json")
    }
}

/// Takes the lock of a folder. The kernel lets go of it when the process ends, however it ends.
pub(super) fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path);
    let mut file = open.map_err(Error::file(&path))?;
    match file.try_lock() {
        Ok(()) => {
            let note = format!("{}\n", std::process::id());
            file.set_len(0).and_then(|()| file.write_all(note.as_bytes())).map_err(Error::file(path))?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            Err(Error::InUse { path: folder.to_owned(), pid: pid.trim().to_owned() })
        }
        Err(TryLockError::Error(reason)) => Err(Error::file(path)(reason)),
    }
}

fn check_layout(root: &Path) -> Result<(), Error> {
    let path = root.join("VERSION");
    let Some(text) = files::read(&path)? else { return files::write_private(&path, &format!("{LAYOUT}\n")) };
    match text.trim().parse::<u32>() {
        Ok(found) if found <= LAYOUT => Ok(()),
        Ok(_) => Err(Error::NewerLayout { path: root.to_owned(), found: text.trim().to_owned(), known: LAYOUT }),
        Err(_) => Err(Error::Damaged { path, what: "does not hold a number" }),
    }
}
