//! Whose rate a client counts by.

use std::net::{IpAddr, Ipv6Addr};

/// IPv4 clients count by their address, IPv6 clients by their network (/64), for one of them has all its addresses.
pub(super) fn counted(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let counts_as = |text: &str| counted(text.parse().unwrap()).to_string();
        assert_eq!(counts_as("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(counts_as("203.0.113.5"), "203.0.113.5");
    }
}
