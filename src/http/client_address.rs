//! Finds out which address a request came from.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{HeaderMap, HeaderValue};
use ipnet::IpNet;

use crate::config::ForwardedHeader;

/// What was found out about the address of a client, and why it is this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolved<'a> {
    /// The address of the client.
    pub(super) address: IpAddr,
    /// The header entry that named it; `None` where the connection did.
    pub(super) entry: Option<Entry<'a>>,
    /// Why no further entry was read.
    pub(super) ended_by: EndedBy,
}

/// An entry of a header, as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Its text; bytes that are no UTF-8 are replaced.
    pub(super) text: Cow<'a, str>,
    /// Its place from the right, from 1.
    pub(super) from_right: usize,
}

/// What ended the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// The address is not that of a trusted proxy: it is the client's.
    Untrusted,
    /// There is no further entry.
    NoEntry,
    /// The next entry is no address.
    StrangeEntry,
}

impl EndedBy {
    /// How it is told.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "not_a_trusted_proxy",
            Self::NoEntry => "no_further_entry",
            Self::StrangeEntry => "entry_is_no_address",
        }
    }
}

/// The address of the client: the peer's, or, where the peer is a trusted proxy, the right-most address in the header that
/// is not itself a trusted proxy. Everything left of it was written by the client and may say anything.
///
/// Values are read as bytes, entry by entry from the right; empty entries say nothing and are passed over (RFC 9110, 5.6.1).
/// An entry that is no address ends the search: the last address vouched for stands.
pub(super) fn resolve<'a>(
    peer: IpAddr,
    headers: &'a HeaderMap,
    header: ForwardedHeader,
    trusted: &[IpNet],
) -> Resolved<'a> {
    let mut found = Resolved { address: peer.to_canonical(), entry: None, ended_by: EndedBy::Untrusted };
    if !is_trusted(found.address, trusted) {
        return found;
    }
    let lines: Vec<&[u8]> = headers.get_all(header.name()).map(HeaderValue::as_bytes).collect();
    // A comma always ends an entry, also between quotes: no address has one, and what a client writes into a quote that it
    // does not close must not swallow what a proxy adds after it.
    let entries = lines.into_iter().rev().flat_map(|line| line.rsplit(|byte| *byte == b','));
    let mut entries = entries.map(<[u8]>::trim_ascii).filter(|entry| !entry.is_empty()).enumerate();
    found.ended_by = loop {
        let Some((place, bytes)) = entries.next() else { break EndedBy::NoEntry };
        let text = String::from_utf8_lossy(bytes);
        let Some(address) = header.address(&text) else { break EndedBy::StrangeEntry };
        found.address = address;
        found.entry = Some(Entry { text, from_right: place + 1 });
        if !is_trusted(address, trusted) {
            break EndedBy::Untrusted;
        }
    };
    found
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

impl ForwardedHeader {
    /// The header that is read.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }

    fn address(self, entry: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(entry),
            Self::Forwarded => node(&forwarded_for(entry)?),
        }
    }
}

/// The `for` of an element of `Forwarded` (RFC 7239). `None` where there is none, or the element is malformed.
fn forwarded_for(element: &str) -> Option<Cow<'_, str>> {
    let mut found = None;
    for pair in element.split(';').map(str::trim).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=')?;
        let value = unquoted(value)?;
        if name.eq_ignore_ascii_case("for") && found.replace(value).is_some() {
            return None;
        }
    }
    found
}

/// A token, or what stands between quotes (RFC 9110, 5.6.4).
fn unquoted(value: &str) -> Option<Cow<'_, str>> {
    let Some(rest) = value.strip_prefix('"') else {
        return (!value.is_empty() && !value.contains('"')).then_some(Cow::Borrowed(value));
    };
    let inside = rest.strip_suffix('"')?;
    let (mut text, mut escaped) = (String::new(), false);
    for letter in inside.chars() {
        match letter {
            '\\' if !escaped => escaped = true,
            '"' if !escaped => return None,
            letter => {
                text.push(letter);
                escaped = false;
            }
        }
    }
    (!escaped).then_some(Cow::Owned(text))
}

/// Reads an address, in brackets or not, with a port or not.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        // In brackets stands an IPv6 address, and after them a port or nothing.
        Some(rest) => {
            let (inside, port) = rest.split_once(']')?;
            let port_fits = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
            let address = inside.parse::<std::net::Ipv6Addr>().ok()?;
            port_fits.then_some(IpAddr::V6(address))
        }
        None => text.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip())),
    };
    address.map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderName;
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> Vec<IpNet> {
        ["10.0.0.0/8", "fd00::/8"].iter().filter_map(|net| net.parse().ok()).collect()
    }

    fn headers(header: ForwardedHeader, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(header.name()), HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    fn resolved_by(header: ForwardedHeader, peer: &str, lines: &[&[u8]]) -> (String, EndedBy) {
        let headers = headers(header, lines);
        let found = resolve(peer.parse().unwrap(), &headers, header, &trusted());
        (found.address.to_string(), found.ended_by)
    }

    fn resolved(peer: &str, lines: &[&str]) -> String {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        resolved_by(ForwardedHeader::XForwardedFor, peer, &lines).0
    }

    #[test]
    fn a_stranger_cannot_choose_an_address() {
        assert_eq!(resolved("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_entry_counts() {
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.0.0.2"]), "198.51.100.7");
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1", "198.51.100.7:4711", "[fd00::2]:80"]), "198.51.100.7");
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1, [2001:db8::1], fd00::2"]), "2001:db8::1");
    }

    #[test]
    fn nonsense_ends_the_search() {
        for lines in
            [&["1.1.1.1, unknown"][..], &["1.1.1.1", "[1.2.3.4]"], &["[2001:db8::1]x"], &["1.1.1.1:99999"], &[]]
        {
            assert_eq!(resolved("10.0.0.1", lines), "10.0.0.1", "{lines:?}");
        }
        assert_eq!(resolved("10.0.0.1", &["10.0.0.3"]), "10.0.0.3");
        assert_eq!(resolved("10.0.0.1", &["1.1.1.1, x, 10.0.0.3"]), "10.0.0.3");
    }

    #[test]
    fn a_strange_entry_spoils_only_what_is_left_of_it() {
        let header = ForwardedHeader::XForwardedFor;
        for line in [&b"\xff, 203.0.113.9"[..], b"caf\xc3\xa9,203.0.113.9", b"\xff\xfe\xff,203.0.113.9, 10.0.0.4"] {
            assert_eq!(resolved_by(header, "10.0.0.1", &[line]), ("203.0.113.9".to_owned(), EndedBy::Untrusted));
        }
        let lines: &[&[u8]] = &[b"203.0.113.1", b"\xff", b"10.0.0.4"];
        assert_eq!(resolved_by(header, "10.0.0.1", lines), ("10.0.0.4".to_owned(), EndedBy::StrangeEntry));
    }

    #[test]
    fn empty_entries_say_nothing() {
        for line in ["203.0.113.9,", ",,203.0.113.9, ,10.0.0.2,", "203.0.113.9,\t,"] {
            assert_eq!(resolved("10.0.0.1", &[line, ""]), "203.0.113.9", "{line:?}");
        }
        assert_eq!(resolved("10.0.0.1", &["", ",,"]), "10.0.0.1");
    }

    #[test]
    fn a_mapped_address_is_the_address_it_maps() {
        assert_eq!(resolved("::ffff:10.0.0.1", &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(resolved("10.0.0.1", &["[::ffff:198.51.100.7]:80"]), "198.51.100.7");
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let address = |line: &str| resolved_by(ForwardedHeader::Forwarded, "10.0.0.1", &[line.as_bytes()]).0;
        for (line, expected) in [
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60"),
            ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17"),
            ("for=192.0.2.43, for=198.51.100.17;by=10.0.0.1", "198.51.100.17"),
            ("for=192.0.2.43, FOR=\"10.0.0.9:80\"", "192.0.2.43"),
            ("for=\"192.0.2.43:47011\" ; host=example.org", "192.0.2.43"),
            ("for=\"\\192.0.2.43\"", "192.0.2.43"),
            // What has no address, or is malformed, ends the search.
            ("for=192.0.2.43, for=unknown", "10.0.0.1"),
            ("for=192.0.2.43, for=_hidden, for=10.0.0.2", "10.0.0.2"),
            ("for=192.0.2.43, proto=https", "10.0.0.1"),
            ("for=192.0.2.43, for=1.1.1.1;for=2.2.2.2", "10.0.0.1"),
            ("for=192.0.2.43, nonsense", "10.0.0.1"),
            ("for=192.0.2.43, for=\"198.51.100.1", "10.0.0.1"),
            // A quote that a client leaves open does not swallow what the proxy adds.
            ("for=\"1.1.1.1, for=198.51.100.17", "198.51.100.17"),
        ] {
            assert_eq!(address(line), expected, "{line}");
        }
        // The other header is not looked at.
        let other = headers(ForwardedHeader::XForwardedFor, &[b"198.51.100.7"]);
        let found = resolve("10.0.0.1".parse().unwrap(), &other, ForwardedHeader::Forwarded, &trusted());
        assert_eq!((found.address.to_string(), found.entry), ("10.0.0.1".to_owned(), None));
    }

    #[test]
    fn it_is_told_which_entry_won() {
        let headers = headers(ForwardedHeader::XForwardedFor, &[b"\xff, 198.51.100.7:99", b"10.0.0.2"]);
        let found = resolve("10.0.0.1".parse().unwrap(), &headers, ForwardedHeader::XForwardedFor, &trusted());
        assert_eq!(found.entry, Some(Entry { text: Cow::Borrowed("198.51.100.7:99"), from_right: 2 }));
    }

    proptest! {
        /// Whatever a client writes, the entry that the trusted proxy adds after it is what counts.
        #[test]
        fn nothing_that_a_client_writes_changes_what_the_proxy_says(
            written in prop::collection::vec(prop::collection::vec(32u8..=255, 0..40), 0..4),
            v6: bool, forwarded: bool,
        ) {
            let header = if forwarded { ForwardedHeader::Forwarded } else { ForwardedHeader::XForwardedFor };
            let client = if v6 { "2001:db8::7" } else { "198.51.100.7" };
            let said = match (forwarded, v6) {
                (false, _) => client.to_owned(),
                (true, false) => format!("for={client}"),
                (true, true) => format!("for=\"[{client}]\""),
            };
            let mut lines: Vec<Vec<u8>> =
                written.into_iter().map(|line| line.into_iter().filter(|byte| *byte != 127).collect()).collect();
            match lines.last_mut() {
                Some(last) => {
                    last.push(b',');
                    last.extend_from_slice(said.as_bytes());
                }
                None => lines.push(said.into_bytes()),
            }
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let (address, ended) = resolved_by(header, "10.0.0.1", &lines);
            prop_assert_eq!((address.as_str(), ended), (client, EndedBy::Untrusted));
        }
    }
}
