//! Where the database is, and as whom it runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::data_dir::{DataDir, lock};
use super::run_as::RunAs;
use super::service::Service;
use super::{Error, files};

/// Where databases go that cannot be in the data folder: for root, whose folders no other user may enter. The folder
/// is one of its own for each data folder, which names it in `postgres.location`; removing the data folder does not
/// remove it.
const ELSEWHERE: &str = "/var/lib/civiclens-dev";
/// What a database that is being made is called.
const UNFINISHED: &str = "postgres.new-";

/// The place of the database.
#[derive(Debug)]
pub(super) struct Home {
    /// The database.
    pub(super) data: PathBuf,
    /// Who runs it.
    pub(super) run_as: RunAs,
    /// The major version that made it; `None` until it is made.
    pub(super) made_by: Option<u32>,
    /// Held where the place is not in the data folder, which a copy of that folder would name as well.
    _lock: Option<File>,
}

impl Home {
    /// Finds the database or a place for it, and removes what earlier attempts to make it left half-done.
    pub(super) fn settle(dir: &DataDir) -> Result<Self, Error> {
        Self::settle_or_go(dir, Path::new(ELSEWHERE))
    }

    fn settle_or_go(dir: &DataDir, elsewhere: &Path) -> Result<Self, Error> {
        let note = dir.root().join("postgres.location");
        let mut parent = dir.root().to_owned();
        if let Some(place) = files::read(&note)? {
            parent = PathBuf::from(place.trim_end_matches('\n'));
            files::make_folder(&parent, 0o711)?;
        }
        let run_as = RunAs::for_database(&parent.join(Service::Postgres.key()))?;
        if let Err(unreachable) = run_as.check_reach(&parent) {
            if parent != dir.root() || !is_empty(&parent.join(Service::Postgres.key()))? {
                return Err(unreachable);
            }
            parent = elsewhere.join(hex::encode(files::random::<8>()?));
            files::make_folder(&parent, 0o711)?;
            run_as.check_reach(&parent)?;
            files::write_private(&note, &format!("{}\n", parent.display()))?;
            tracing::info!(
                place = %parent.display(),
                "the database is kept there, because its user cannot enter the data folder"
            );
        }
        let lock = if parent == dir.root() { None } else { Some(lock(&parent)?) };
        remove_unfinished(&parent)?;
        let data = parent.join(Service::Postgres.key());
        let made_by = made_by(&data)?;
        Ok(Self { data, run_as, made_by, _lock: lock })
    }

    /// Where a database is made before it is moved to its place.
    pub(super) fn workshop(&self) -> PathBuf {
        self.data.with_file_name(format!("{UNFINISHED}{}", std::process::id()))
    }
}

/// The major version that made the database in `data`, if there is one. Something else in its place is an error.
fn made_by(data: &Path) -> Result<Option<u32>, Error> {
    let path = data.join("PG_VERSION");
    let Some(text) = files::read(&path)? else {
        return if is_empty(data)? { Ok(None) } else { Err(Error::NotADatabase { path: data.to_owned() }) };
    };
    let major = text.trim().split('.').next().and_then(|major| major.parse().ok());
    major.map(Some).ok_or(Error::Damaged { path, what: "does not hold a version" })
}

fn is_empty(folder: &Path) -> Result<bool, Error> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_none()),
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Ok(true),
        Err(reason) => Err(Error::file(folder)(reason)),
    }
}

fn remove_unfinished(parent: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(parent).map_err(Error::file(parent))?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // Whoever was making it was killed with us and may take a moment to be gone.
            let path = entry.path();
            let removed = fs::remove_dir_all(&path).or_else(|_| fs::remove_dir_all(&path));
            removed.map_err(Error::file(path))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::embedded::tests::Folder;

    #[test]
    fn what_is_not_a_database_is_refused_and_what_is_half_made_is_removed() {
        let folder = Folder::new("home");
        let unfinished = folder.path().join("data/postgres.new-1/data");
        fs::create_dir_all(&unfinished).unwrap();
        let dir = DataDir::open(&folder.path().join("data")).unwrap();
        assert_eq!(Home::settle(&dir).unwrap().made_by, None);
        assert!(!unfinished.exists());
        let data = dir.of(Service::Postgres);
        fs::create_dir(&data).unwrap();
        assert_eq!(Home::settle(&dir).unwrap().made_by, None);
        fs::write(data.join("thesis.txt"), "").unwrap();
        assert!(matches!(Home::settle(&dir), Err(Error::NotADatabase { .. })));
        fs::write(data.join("PG_VERSION"), "15\n").unwrap();
        if !crate::embedded::run_as::is_root().unwrap() {
            assert_eq!(Home::settle(&dir).unwrap().made_by, Some(15));
        }
    }

    #[test]
    fn root_in_a_closed_folder_keeps_the_database_elsewhere_and_finds_it_again() {
        let folder = Folder::new("closed");
        let dir = DataDir::open(&folder.path().join("closed/data")).unwrap();
        fs::set_permissions(folder.path().join("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        let elsewhere = folder.path().join("elsewhere");
        let home = Home::settle_or_go(&dir, &elsewhere).unwrap();
        let data = home.data.clone();
        assert_eq!(data.starts_with(&elsewhere), crate::embedded::run_as::is_root().unwrap());
        drop(home);
        assert_eq!(Home::settle_or_go(&dir, &elsewhere).unwrap().data, data);
    }
}
