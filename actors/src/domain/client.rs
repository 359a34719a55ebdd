//! Who is at the other end of a request, as far as it matters to limits, sessions and the audit log.

use std::net::{IpAddr, Ipv6Addr};

use super::device_name::device_label;
use super::device_token::DeviceId;
use super::keys::HashKey;
use super::language::Language;

/// The client of a request.
#[derive(Clone, Debug)]
pub struct Client {
    /// The address, resolved through trusted proxies only.
    pub ip: IpAddr,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The id that follows the request through logs, SQL, Redis and NATS.
    pub request_id: Option<String>,
    /// The language the client asked for.
    pub language: Option<Language>,
    /// The device whose token it sent, if it sent one of ours.
    pub device: Option<DeviceId>,
}

impl Client {
    /// Nobody: for what the service does by itself.
    pub fn nobody() -> Self {
        Self { ip: IpAddr::V6(Ipv6Addr::UNSPECIFIED), user_agent: None, request_id: None, language: None, device: None }
    }

    /// The networks that it is in: what address limits count by, its /24 (IPv6: /48), and its /16 (IPv6: /32).
    pub fn networks(&self) -> [String; 3] {
        networks(self.ip)
    }

    /// What address limits count by: an IPv4 address, or the /64 of an IPv6 address, which one subscriber owns whole.
    pub fn limit_subject(&self) -> String {
        match self.ip.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(_) => format!("{}/64", Ipv6Addr::from_bits(network_bits(self.ip))),
        }
    }
}

/// The address or /64, the /24 or /48, and the /16 or /32 of an address.
fn networks(address: IpAddr) -> [String; 3] {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            [address.to_string(), format!("{a}.{b}.{c}.0/24"), format!("{a}.{b}.0.0/16")]
        }
        IpAddr::V6(address) => [64, 48, 32].map(|length: u32| {
            let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - length)));
            format!("{network}/{length}")
        }),
    }
}

/// The wide network of an address as limits name it. Returns `None` for any other text.
pub fn wide_network(limit_subject: &str) -> Option<String> {
    let [_, _, wide] = networks(limit_subject.split('/').next()?.parse().ok()?);
    Some(wide)
}

/// What address limits count by, as a number: an IPv4 address as IPv6 maps it, or the /64 of an IPv6 address.
pub fn network_bits(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits() & !u128::from(u64::MAX),
    }
}

/// A device. Only the token that was issued to it makes it known; what the client says of it is a label.
#[derive(Clone, Debug)]
pub struct Device {
    /// The device that holds our token, or will hold the one that is answered.
    pub issued: DeviceId,
    /// Whether the client sent that token: otherwise it is a new one, which nobody holds yet.
    pub returned: bool,
    /// The client's own id for the device.
    pub id: Option<String>,
    /// A name a person would recognise.
    pub name: Option<String>,
}

impl Device {
    /// A text that names the device to its owner, with nothing in it that is a link.
    pub fn label(&self) -> Option<String> {
        device_label(self.name.as_deref()?)
    }

    /// The device, if the client proved to be it by sending our token.
    pub fn proven(&self) -> Option<&DeviceId> {
        self.returned.then_some(&self.issued)
    }

    /// The keyed hashes, by the present key and then by the previous one, of what kind of device this claims to be: the
    /// client's own id for it and its label. They tell whether a sign-in is worth a notice where the client sends no token
    /// back, and nothing else.
    pub fn kind_hashes(device: Option<&Self>, label: Option<&str>, key: &HashKey) -> Vec<[u8; 32]> {
        let id = device.and_then(|device| device.id.as_deref()).unwrap_or_default();
        key.hashes("device", &["kind", id, label.unwrap_or_default()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(ip: &str) -> Client {
        let ip = ip.parse().unwrap_or(IpAddr::V6(Ipv6Addr::LOCALHOST));
        Client { ip, user_agent: None, request_id: None, language: None, device: None }
    }

    #[test]
    fn addresses_are_counted_by_subscriber() {
        assert_eq!(client("192.0.2.7").limit_subject(), "192.0.2.7");
        assert_eq!(client("::ffff:192.0.2.7").limit_subject(), "192.0.2.7");
        assert_eq!(client("2001:db8:1:2:3:4:5:6").limit_subject(), "2001:db8:1:2::/64");
        assert_eq!(client("192.0.2.7").networks(), ["192.0.2.7", "192.0.2.0/24", "192.0.0.0/16"]);
        let wide = ["2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32"];
        assert_eq!(client("2001:db8:1:2:3:4:5:6").networks(), wide);
        assert_eq!(wide_network("2001:db8:1:2::/64").as_deref(), Some("2001:db8::/32"));
        assert_eq!(wide_network("nowhere"), None);
    }

    #[test]
    fn device_labels_are_clean_and_bounded() {
        let named = |name: Option<String>| {
            let issued = DeviceId::from_kept("d".to_owned());
            Device { issued, returned: false, id: Some("x".into()), name }.label()
        };
        let label = named(Some(format!("My\u{7} phone\r\n{}", "y".repeat(500)))).unwrap_or_default();
        assert!(label.starts_with("My phone") && label.chars().count() <= 64);
        assert_eq!(named(None), None);
    }
}
