//! The user a server runs as: we ourselves, except that `PostgreSQL` refuses to be root.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;

use super::Error;

/// The users that are there for this, the better one first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Who a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RunAs {
    /// The user we are.
    Ourselves,
    /// Another one, which only root can become.
    Other {
        /// The numeric id of the user.
        user: u32,
        /// The numeric id of its group.
        group: u32,
    },
}

impl RunAs {
    /// The user for a database in `data`: its owner where it is there, else an unprivileged one.
    pub(super) fn for_database(data: &Path) -> Result<Self, Error> {
        let we = effective_user()?;
        let owner = fs::metadata(data).ok().map(|metadata| (metadata.uid(), metadata.gid()));
        match owner {
            Some((owner, _)) if we != 0 && owner != we => Err(Error::NotOurs { path: data.to_owned(), owner }),
            _ if we != 0 => Ok(Self::Ourselves),
            Some((user, group)) if user != 0 => Ok(Self::Other { user, group }),
            _ => {
                let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
                let found = CANDIDATES.into_iter().find_map(|name| find(&users, name));
                found.map(|(user, group)| Self::Other { user, group }).ok_or(Error::NoUser)
            }
        }
    }

    /// Gives a file or folder to the user.
    pub(super) fn give(self, path: &Path) -> Result<(), Error> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { user, group } => chown(path, Some(user), Some(group)).map_err(Error::file(path)),
        }
    }

    /// Checks that the user can enter `path`, an absolute one, through all that is above it.
    pub(super) fn check_reach(self, path: &Path) -> Result<(), Error> {
        let Self::Other { user, group } = self else { return Ok(()) };
        for folder in path.ancestors() {
            let metadata = fs::metadata(folder).map_err(Error::file(folder))?;
            if !may_enter(&metadata, user, group) {
                return Err(Error::Unreachable { path: folder.to_owned(), user });
            }
        }
        Ok(())
    }
}

/// Whether we are root.
pub(super) fn is_root() -> Result<bool, Error> {
    Ok(effective_user()? == 0)
}

fn effective_user() -> Result<u32, Error> {
    fs::metadata("/proc/self").map(|metadata| metadata.uid()).map_err(Error::file("/proc/self"))
}

fn may_enter(folder: &Metadata, user: u32, group: u32) -> bool {
    let bit = if folder.uid() == user {
        0o100
    } else if folder.gid() == group {
        0o010
    } else {
        0o001
    };
    folder.mode() & bit != 0
}

/// The ids of a user and its group in the text of `/etc/passwd`. One that is root under another name is not found.
fn find(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (found, _, user, group) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let ids = (user.parse().ok()?, group.parse().ok()?);
        (found == name && ids.0 != 0).then_some(ids)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name_and_root_is_none() {
        let users = "root:x:0:0:root:/root:/bin/sh\npostgresql:x:5:5::/:\npostgres:x:101:104:,,,:/var:/bin/bash\nbad\n";
        assert_eq!(find(users, "postgres"), Some((101, 104)));
        assert_eq!(find(users, "root"), None);
        assert_eq!(find(users, "nobody"), None);
    }

    #[test]
    fn reach_is_judged_by_owner_group_and_others_in_that_order() {
        use std::os::unix::fs::PermissionsExt;
        let folder = super::super::tests::Folder::new("reach");
        let metadata = |mode| {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            fs::metadata(folder.path()).unwrap()
        };
        let (owner, group) = (metadata(0o711).uid(), metadata(0o711).gid());
        assert!(may_enter(&metadata(0o711), owner + 1, group + 1));
        assert!(!may_enter(&metadata(0o710), owner + 1, group + 1));
        assert!(may_enter(&metadata(0o710), owner + 1, group));
        assert!(!may_enter(&metadata(0o011), owner, group));
    }
}
