//! Free ports on the loopback address.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

use super::{Error, files};

/// Where new ports come from: below the range from which the kernel gives ports to connections. A client that keeps
/// dialling a stopped server on a port of that range is given the very port one day, and is then connected to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;
/// How many ports are tried.
const ATTEMPTS: u32 = 200;

/// The port of the last run while it is free, so that URLs stay the same; else a new one. Never one of `taken`.
pub(super) fn choose(last: Option<u16>, taken: &[u16]) -> Result<u16, Error> {
    if let Some(port) = last.filter(|port| !taken.contains(port) && is_free(*port)) {
        return Ok(port);
    }
    for _ in 0..ATTEMPTS {
        let port = FIRST + u16::from_ne_bytes(files::random()?) % COUNT;
        if !taken.contains(&port) && is_free(port) {
            return Ok(port);
        }
    }
    Err(Error::System { what: "finding a free port on 127.0.0.1", reason: io::ErrorKind::AddrInUse.into() })
}

fn is_free(port: u16) -> bool {
    port != 0 && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_port_is_kept_while_it_is_free() {
        let port = choose(None, &[]).unwrap();
        assert!((FIRST..FIRST + COUNT).contains(&port));
        assert_eq!(choose(Some(port), &[]).unwrap(), port);
        assert_ne!(choose(Some(port), &[port]).unwrap(), port);
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let busy = held.local_addr().unwrap().port();
        assert_ne!(choose(Some(busy), &[]).unwrap(), busy);
        assert_ne!(choose(Some(0), &[]).unwrap(), 0);
    }
}
