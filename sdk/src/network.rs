//! Which hosts are near: on this machine, in this private network, in this cluster. What is
//! not needs an explicit word before anything goes there in plain text, or before what comes
//! from there decides anything.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

/// Last labels that no public name has: by RFC 6761, 6762, 8375 and ICANN's reservation of
/// `internal`, and by what clusters and home routers use.
const LOCAL_SUFFIXES: [&str; 8] = [
    "localhost",
    "local",
    "internal",
    "svc",
    "lan",
    "localdomain",
    "home.arpa",
    "test",
];

/// This machine and no other, also where it is an IPv4 address written as an IPv6 one.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Loopback and private addresses.
pub(crate) fn is_near_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_near_v4(address),
        IpAddr::V6(address) => is_near_v6(address),
    }
}

/// Loopback and private addresses, names of one label, and names of a cluster or a local
/// network such as `collector.monitoring.svc.cluster.local`.
pub(crate) fn is_near(host: &Host<&str>) -> bool {
    match host {
        Host::Ipv4(address) => is_near_v4(*address),
        Host::Ipv6(address) => is_near_v6(*address),
        Host::Domain(name) => is_near_name(name),
    }
}

fn is_near_v4(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_unspecified()
        // 100.64.0.0/10, shared address space: pods of some clouds live there.
        || (first == 100 && second & 0b1100_0000 == 64)
}

fn is_near_v6(address: Ipv6Addr) -> bool {
    match address.to_ipv4_mapped() {
        Some(mapped) => is_near_v4(mapped),
        None => {
            address.is_loopback()
                || address.is_unspecified()
                || address.is_unique_local()
                || address.is_unicast_link_local()
        }
    }
}

pub(crate) fn is_near_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    // A bare address inside a name's place, such as in a variable without a scheme.
    if let Ok(address) = name.parse::<IpAddr>() {
        return is_near_address(address);
    }
    !name.contains('.') || LOCAL_SUFFIXES.iter().any(|suffix| is_below(name, suffix))
}

/// Whether a name is one of the names below `suffix`, in any case: not the suffix itself.
pub(crate) fn is_below(name: &str, suffix: &str) -> bool {
    let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
    name.len()
        .checked_sub(suffix.len() + 1)
        .is_some_and(|dot| name[dot] == b'.' && name[dot + 1..].eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use url::Url;

    fn near(host: &str) -> bool {
        let url = Url::parse(&format!("http://{host}/")).unwrap();
        is_near(&url.host().unwrap())
    }

    #[test]
    fn this_machine_the_private_network_and_the_cluster_are_near() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.9.9.9",
            "[::1]",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.10.1",
            "100.64.0.1",
            "[fd00::1]",
            "[fe80::1]",
            "[::ffff:10.0.0.1]",
            "collector",
            "collector.monitoring.svc",
            "collector.monitoring.svc.cluster.local",
            "host.docker.internal",
            "Collector.LOCAL.",
        ] {
            assert!(near(host), "{host}");
        }
    }

    #[test]
    fn the_rest_of_the_world_is_not() {
        for host in [
            "otel.example.com",
            "8.8.8.8",
            "172.32.0.1",
            "100.128.0.1",
            "[2001:db8::1]",
            "[::ffff:8.8.8.8]",
            "internal.example.com",
            "notlocal.net",
            "xlocalhost.com",
            "127.0.0.1.example.com",
        ] {
            assert!(!near(host), "{host}");
        }
    }
}
