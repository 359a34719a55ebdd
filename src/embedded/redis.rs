//! The private Redis.

use std::ffi::OsString;

use super::server::{Answer, Server};
use super::{Durability, Error, files};

/// Writes its configuration, which holds the password. It works in its own folder and keeps its data there: every write
/// is appended to a file, so that nothing is lost when it ends, however it does.
pub(super) fn configure(server: &Server) -> Result<Vec<OsString>, Error> {
    let sync = if server.durability == Durability::Durable { "everysec" } else { "no" };
    let Server { port, password, .. } = server;
    let text = format!(
        "bind 127.0.0.1\nport {port}\nrequirepass {password}\ndaemonize no\ndir .\nsave \"\"\nappendonly yes\n\
         appendfsync {sync}\nmaxmemory-policy noeviction\n"
    );
    let path = server.folder.join("redis.conf");
    files::write_private(&path, &text)?;
    Ok(vec![path.into_os_string()])
}

/// Whether it answers a ping, which it does not while it loads its data.
pub(super) async fn ask(server: &Server) -> Answer {
    match ping(&server.url()).await {
        Ok(()) => Answer::Ready,
        Err(error) if matches!(error.code(), Some("WRONGPASS" | "NOAUTH")) => Answer::Never(error.to_string()),
        Err(error) => Answer::NotYet(error.to_string()),
    }
}

async fn ping(url: &str) -> Result<(), redis::RedisError> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}
