//! The folder: its lock, its layout, its passwords and ports.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Error, Service, child};

/// The layout this program writes.
const LAYOUT: &str = "1";

/// The folder, locked for as long as this lives.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Opens or makes the folder, locks it, and ends servers that an earlier process left behind.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        fs::create_dir_all(path.join("logs")).map_err(Error::file(path))?;
        let path = path.canonicalize().map_err(Error::file(path))?;
        let lock = lock(&path)?;
        let layout = path.join("VERSION");
        match fs::read_to_string(&layout) {
            Ok(text) if text.trim() == LAYOUT => {}
            Ok(text) => {
                let made_by = format!("a civiclens with folder layout {}", text.trim());
                return Err(Error::OtherVersion { path, made_by, here: format!("layout {LAYOUT}") });
            }
            Err(_) => fs::write(&layout, LAYOUT).map_err(Error::file(layout))?,
        }
        let dir = Self { path, _lock: lock };
        for service in Service::ALL {
            child::end_leftover(&dir.pid_file(service));
        }
        Ok(dir)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Where a server's log goes. The log of the last run is kept beside it.
    pub(super) fn log(&self, service: Service) -> PathBuf {
        self.path.join("logs").join(format!("{}.log", service.name()))
    }

    /// Where a server's process id is noted.
    pub(super) fn pid_file(&self, service: Service) -> PathBuf {
        self.path.join(format!("{}.pid", service.name()))
    }

    /// The port of a server: that of the last run while it is free, so that URLs stay, else a new one.
    pub(super) fn port(&self, service: Service) -> Result<u16, Error> {
        let note = self.path.join(format!("{}.port", service.name()));
        let last = fs::read_to_string(&note).ok().and_then(|text| text.trim().parse::<u16>().ok());
        if let Some(port) = last.filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return Ok(port);
        }
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
        let port = free.map_err(Error::file(&note))?.port();
        fs::write(&note, port.to_string()).map_err(Error::file(note))?;
        Ok(port)
    }

    /// The password of a server: made once, readable by its owner only.
    pub(super) fn password(&self, service: Service) -> Result<String, Error> {
        let path = self.path.join(format!("{}.password", service.name()));
        if let Ok(password) = fs::read_to_string(&path) {
            return Ok(password);
        }
        let mut bytes = [0; 24];
        aws_lc_rs::rand::fill(&mut bytes)
            .map_err(|_| Error::file(&path)(std::io::Error::other("no random bytes from the system")))?;
        let password = hex::encode(bytes);
        write_private(&path, &password)?;
        Ok(password)
    }
}

/// Writes a file that only its owner can read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Error> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(text.as_bytes())).map_err(Error::file(path))
}

/// Locks the folder. The lock ends with the process, however it ends.
fn lock(path: &Path) -> Result<File, Error> {
    let name = path.join("lock");
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&name);
    let mut file = open.map_err(Error::file(&name))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _ = file.read_to_string(&mut pid);
            return Err(Error::InUse { path: path.to_owned(), pid: pid.trim().to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(Error::File { path: name, source }),
    }
    let note = file.set_len(0).and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
    note.map_err(Error::file(name))?;
    Ok(file)
}
