//! What an earlier run left behind, when it was killed and the kernel's signal did not reach its servers.

use std::fs;
use std::path::Path;

use super::child::end_leftover;
use super::data_dir::DataDir;
use super::identity::Identity;
use super::service::Service;
use super::{Error, files};

/// Ends the servers that are noted in the folder and still run. The folder is ours, so their owner is gone.
pub(super) async fn clean(dir: &DataDir) -> Result<(), Error> {
    let clean = Service::ALL.map(|service| async move {
        let path = dir.pid_file(service);
        if let Some(noted) = files::read(&path)?.as_deref().and_then(Identity::parse) {
            end_leftover(service, &noted).await?;
        }
        let _ = fs::remove_file(path);
        Ok(())
    });
    futures::future::try_join_all(clean).await.map(|_| ())
}

/// Makes the database's own note of its process say nothing untrue. `PostgreSQL` refuses to start when the number in it
/// is that of any living process, which after a restart of the machine may be anybody's.
pub(super) async fn clean_postmaster(data: &Path) -> Result<(), Error> {
    let path = data.join("postmaster.pid");
    let Some(text) = files::read(&path)? else { return Ok(()) };
    let noted = text.lines().next().and_then(|pid| pid.trim().parse().ok());
    if let Some(identity) = noted.and_then(|pid| Identity::of(pid).ok()).filter(Identity::is_running) {
        // The database works in its own folder and nobody else does.
        let works_in = fs::read_link(format!("/proc/{}/cwd", identity.pid));
        if works_in.is_ok_and(|folder| folder == data) {
            return end_leftover(Service::Postgres, &identity).await;
        }
        fs::remove_file(&path).map_err(Error::file(path))?;
    }
    Ok(())
}
