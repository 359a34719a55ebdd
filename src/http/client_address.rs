//! Finds out which address a request came from.

use std::net::IpAddr;

use ipnet::IpNet;

/// The address of the client: the peer's, or, where the peer is a trusted proxy, the right-most address in
/// `X-Forwarded-For` that is not itself a trusted proxy. Everything left of it was written by the client and may say
/// anything. An entry that is no address ends the search: the last address vouched for stands.
pub(super) fn resolve<'a>(
    peer: IpAddr,
    forwarded: impl DoubleEndedIterator<Item = &'a str>,
    trusted: &[IpNet],
) -> IpAddr {
    let mut address = peer.to_canonical();
    if trusted.is_empty() {
        return address;
    }
    let mut entries = forwarded.flat_map(|line| line.split(',')).rev();
    while is_trusted(address, trusted) {
        match entries.next().and_then(parse) {
            Some(next) => address = next,
            None => break,
        }
    }
    address
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// Reads an entry: an address, in brackets or not, with a port or not.
fn parse(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    let bracketed = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(address, _)| address);
    let plain = bracketed.unwrap_or(entry);
    let with_port = || plain.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    plain.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(peer: &str, forwarded: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().filter_map(|net| net.parse().ok()).collect();
        resolve(peer.parse().unwrap(), forwarded.iter().copied(), &trusted).to_string()
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(resolved("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_entry_counts() {
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1", "198.51.100.7:4711", "[fd00::2]:80"]), "198.51.100.7");
    }

    #[test]
    fn nonsense_ends_the_search() {
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1, unknown"]), "10.0.0.1");
        assert_eq!(resolved("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(resolved("10.0.0.1", &["10.0.0.3"]), "10.0.0.3");
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        assert_eq!(resolved("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
    }
}
