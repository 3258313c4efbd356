//! Whose request it is, by address.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection; stands in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Networks whose word in `X-Forwarded-For` counts.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Addresses and networks, as `10.0.0.0/8` or `192.0.2.7`.
    ///
    /// # Errors
    /// The text that is neither.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| text.clone())
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The client: who is connected to us, or, behind proxies that we trust, the last in the chain that is
    /// none of them. What stands before that anybody can write. IPv6 clients count by their network (/64),
    /// for one of them has all its addresses.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.trusts(client) {
            let chain: Vec<&str> = headers
                .get_all(FORWARDED_FOR)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .map(str::trim)
                .collect();
            for hop in chain.into_iter().rev() {
                let Ok(hop) = hop.parse::<IpAddr>() else {
                    break;
                };
                client = hop.to_canonical();
                if !self.trusts(client) {
                    break;
                }
            }
        }
        match client {
            IpAddr::V4(_) => client,
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(trusted: &[&str], peer: &str, chain: &[&str]) -> String {
        let trusted: Vec<String> = trusted.iter().map(|text| (*text).to_owned()).collect();
        let mut headers = HeaderMap::new();
        for value in chain {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        TrustedProxies::new(&trusted)
            .unwrap()
            .client(peer.parse().unwrap(), &headers)
            .to_string()
    }

    #[test]
    fn only_proxies_that_we_trust_may_speak_for_others() {
        let ours = ["10.0.0.0/8", "192.0.2.7"];
        assert_eq!(
            client(&ours, "203.0.113.5", &["198.51.100.1"]),
            "203.0.113.5"
        );
        assert_eq!(client(&ours, "10.1.1.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(
            client(
                &ours,
                "10.1.1.1",
                &["1.2.3.4, 198.51.100.1, 192.0.2.7", "10.2.2.2"]
            ),
            "198.51.100.1",
            "what the client wrote before is not believed"
        );
        assert_eq!(client(&ours, "10.1.1.1", &[]), "10.1.1.1");
        assert_eq!(client(&ours, "10.1.1.1", &["nonsense"]), "10.1.1.1");
        assert_eq!(
            client(&ours, "::ffff:10.1.1.1", &["198.51.100.1"]),
            "198.51.100.1"
        );
        assert_eq!(client(&[], "2001:db8:1:2:3:4:5:6", &[]), "2001:db8:1:2::");
        assert_eq!(TrustedProxies::new(&["here".into()]).unwrap_err(), "here");
    }
}
