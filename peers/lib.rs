//! Who is at the other end, by address: whose word about it counts, and which addresses may come in.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use serde::Deserialize;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The other end of the connection; stands in a request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct PeerAddress(pub SocketAddr);

/// Addresses and networks, as `10.0.0.0/8`, `2001:db8::/32` or `192.0.2.7`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// From their texts.
    ///
    /// # Errors
    /// The text that is neither an address nor a network.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        let read = |text: &String| {
            text.parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                .map_err(|_| text.clone())
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether `address` is in one of them. An IPv4 address that is written as IPv6 is what it is.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<String>> for Networks {
    type Error = String;

    fn try_from(texts: Vec<String>) -> Result<Self, String> {
        Self::new(&texts).map_err(|text| {
            format!("{text:?} is neither an address nor a network such as 203.0.113.0/24")
        })
    }
}

/// Networks whose word in `X-Forwarded-For` counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct TrustedProxies(Networks);

impl TrustedProxies {
    /// Addresses and networks, as `10.0.0.0/8` or `192.0.2.7`.
    ///
    /// # Errors
    /// The text that is neither.
    pub fn new(texts: &[String]) -> Result<Self, String> {
        Networks::new(texts).map(Self)
    }

    /// The client: who is connected to us, or, behind proxies that we trust, the last in the chain that is
    /// none of them. What stands before that anybody can write.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if self.0.contain(client) {
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
                if !self.0.contain(client) {
                    break;
                }
            }
        }
        client
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "in tests a panic is the message")]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn client(trusted: &[&str], peer: &str, chain: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in chain {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        TrustedProxies::new(&texts(trusted))
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
        assert_eq!(TrustedProxies::new(&texts(&["here"])).unwrap_err(), "here");
    }

    #[test]
    fn networks_contain_their_addresses_however_these_are_written() {
        let some: Networks =
            serde_json::from_str(r#"["203.0.113.0/24", "2001:db8::/32", "192.0.2.7"]"#).unwrap();
        for (address, inside) in [
            ("203.0.113.255", true),
            ("::ffff:203.0.113.1", true),
            ("2001:db8:ffff::1", true),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("2001:db9::1", false),
            ("::1", false),
        ] {
            assert_eq!(some.contain(address.parse().unwrap()), inside, "{address}");
        }
        assert!(Networks::default().is_empty());
        let told = serde_json::from_str::<Networks>(r#"["203.0.113.0/33"]"#).unwrap_err();
        assert!(told.to_string().contains("203.0.113.0/33"), "{told}");
    }
}
