//! The private NATS, with `JetStream`.

use std::ffi::OsString;

use super::server::{Answer, Server};
use super::{Durability, Error, files};

/// The user.
const NAME: &str = "civiclens";

/// Writes its configuration, which holds the password. It works in its own folder and keeps its streams there. By itself
/// it acknowledges what it has not written to disk yet; here that is only so where a crash may cost everything.
pub(super) fn configure(server: &Server) -> Result<Vec<OsString>, Error> {
    let sync = if server.durability == Durability::Durable { "always" } else { "\"2m\"" };
    let Server { port, password, .. } = server;
    let text = format!(
        "listen: \"127.0.0.1:{port}\"\nserver_name: \"civiclens-dev\"\n\
         authorization {{ user: \"{NAME}\", password: \"{password}\" }}\n\
         jetstream {{ store_dir: \".\", sync_interval: {sync}, max_memory_store: 256MB, max_file_store: 10GB }}\n"
    );
    let path = server.folder.join("nats.conf");
    files::write_private(&path, &text)?;
    Ok(vec!["--config".into(), path.into_os_string()])
}

/// Whether `JetStream` answers.
pub(super) async fn ask(server: &Server) -> Answer {
    match account(server).await {
        Ok(()) => Answer::Ready,
        Err(why) if why.contains("authorization violation") => Answer::Never(why),
        Err(why) => Answer::NotYet(why),
    }
}

async fn account(server: &Server) -> Result<(), String> {
    // The client takes its time over a server that is not there, and does not take a user from a URL.
    tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.map_err(|error| error.to_string())?;
    let options = async_nats::ConnectOptions::with_user_and_password(NAME.to_owned(), server.password.clone());
    let client = options.connect(format!("127.0.0.1:{}", server.port)).await.map_err(|error| error.to_string())?;
    let streams = async_nats::jetstream::new(client);
    streams.query_account().await.map(|_| ()).map_err(|error| error.to_string())
}
