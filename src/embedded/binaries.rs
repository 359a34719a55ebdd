//! Where the servers' programs are, and whether they are new enough.

use std::path::PathBuf;
use std::process::Command;

use super::Error;

/// The folders that are searched before `PATH`.
#[derive(Clone, Debug)]
pub struct Binaries {
    folders: Vec<PathBuf>,
}

impl Default for Binaries {
    /// The project's own tools, Debian's `PostgreSQL` folders from the newest down, then `PATH`.
    fn default() -> Self {
        let mut folders = vec![PathBuf::from(".tools/bin")];
        let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
            .collect();
        debian.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        folders.extend(debian.into_iter().map(|(_, path)| path));
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        Self { folders }
    }
}

impl Binaries {
    /// The program `name`, which comes with `package`.
    pub(super) fn find(&self, name: &'static str, package: &'static str) -> Result<PathBuf, Error> {
        let found = self.folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
        let found = found.ok_or(Error::Missing { program: name, package })?;
        // Not canonical: Debian's redis-server is a link, and the program looks at the name it was called by.
        std::path::absolute(&found).map_err(Error::file(found))
    }

    /// The program `name`, if its `--version` says that it is at least `needed`.
    pub(super) fn find_at_least(
        &self,
        name: &'static str,
        package: &'static str,
        needed: &'static str,
    ) -> Result<(PathBuf, String), Error> {
        let path = self.find(name, package)?;
        let output = Command::new(&path).arg("--version").output().map_err(|source| Error::Process { name, source })?;
        let version = version_in(&String::from_utf8_lossy(&output.stdout)).unwrap_or_default();
        if parts(&version) < parts(needed) {
            return Err(Error::TooOld { program: name, found: version, needed });
        }
        Ok((path, version))
    }
}

/// The first word that looks like a version.
fn version_in(text: &str) -> Option<String> {
    text.split_whitespace()
        .map(|word| word.trim_start_matches(['v', 'V', '=']).trim_start_matches("v="))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(str::to_owned)
}

/// The numbers of a version.
fn parts(version: &str) -> Vec<u32> {
    version.split(['.', '-', '+', '~']).map_while(|part| part.parse().ok()).collect()
}

/// The major version.
pub(super) fn major(version: &str) -> u32 {
    parts(version).first().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_what_programs_print() {
        for (text, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", "7.0.15"),
            ("nats-server: v2.15.1", "2.15.1"),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version));
        }
        assert!(parts("2.9.10") < parts("2.11"));
        assert!(parts("2.11.0") >= parts("2.11"));
        assert_eq!(major("15.18"), 15);
    }
}
