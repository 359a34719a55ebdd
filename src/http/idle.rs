//! Connections that are opened and never used.
//!
//! Browsers and proxies open connections ahead. One on which nothing is sent is closed without a word: an error that nobody
//! asked for would be taken for the answer to the next request.

use std::any::Any;
use std::cell::Cell;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use actix_web::dev::{Extensions, ServiceRequest};
use actix_web::rt;
use actix_web::rt::net::TcpStream;

/// Whether a request came on a connection. Kept with the connection.
struct Used(Rc<Cell<bool>>);

/// Closes `connection` after `limit` if nothing has arrived on it by then.
pub(super) fn close_unused(connection: &dyn Any, kept: &mut Extensions, limit: Duration) {
    let Some(stream) = connection.downcast_ref::<TcpStream>() else { return };
    match watched(stream) {
        Ok(watched) => {
            let used = Rc::new(Cell::new(false));
            kept.insert(Used(Rc::clone(&used)));
            drop(rt::spawn(wait(watched, used, limit)));
        }
        // Then it gets a 408 in the end.
        Err(error) => tracing::debug!(%error, "a connection cannot be watched"),
    }
}

/// A request came: its connection is not unused.
pub(super) fn note_use(request: &ServiceRequest) {
    if let Some(Used(used)) = request.conn_data::<Used>() {
        used.set(true);
    }
}

/// A second handle of the connection: the first one belongs to the server. It is given back with the first byte.
fn watched(stream: &TcpStream) -> std::io::Result<TcpStream> {
    let second = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
    second.set_nonblocking(true)?;
    TcpStream::from_std(second)
}

/// The server reads what arrives, maybe before it is seen here: so a request is noted as well.
async fn wait(watched: TcpStream, used: Rc<Cell<bool>>, limit: Duration) {
    if tokio::time::timeout(limit, watched.readable()).await.is_ok() || used.get() {
        return;
    }
    let Ok(stream) = watched.into_std() else { return };
    if let Err(error) = stream.shutdown(Shutdown::Both) {
        tracing::debug!(%error, "an unused connection was gone already");
    }
}
