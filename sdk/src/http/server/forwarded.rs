//! Who a proxy says that it forwards for: `Forwarded`
//! (<https://www.rfc-editor.org/rfc/rfc7239>) and `X-Forwarded-For`, read from the right.
//!
//! Each proxy adds to the right of what it was sent, so the right-most address that is not a
//! proxy of the service's own is the last that one of those has seen. All to the left of it
//! is what the client says of itself. Lists are split without a look at quotes: a quote that
//! the client leaves open could otherwise swallow what the proxy has added.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue};

const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// More of the service's own proxies in a row than anybody has.
const MAX_HOPS: usize = 64;

/// What one header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It is not there.
    Absent,
    /// It does not say an address where the client's should be.
    Unreadable,
    Client(IpAddr),
}

/// What the two headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claims {
    pub(super) forwarded: Claim,
    pub(super) x_forwarded_for: Claim,
}

impl Claims {
    pub(super) fn of(headers: &HeaderMap, is_proxy: impl Fn(IpAddr) -> bool) -> Self {
        Self {
            forwarded: claim(headers, &FORWARDED, forwarded_node, &is_proxy),
            x_forwarded_for: claim(headers, &FORWARDED_FOR, node, &is_proxy),
        }
    }
}

/// Whether a request was forwarded for somebody, by whomever.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.contains_key(FORWARDED) || headers.contains_key(FORWARDED_FOR)
}

/// The last scheme that was forwarded, where it is one of HTTP's.
pub(super) fn is_https(headers: &HeaderMap) -> Option<bool> {
    let last = |header: HeaderName| elements(headers, &header).next().flatten();
    let scheme = last(FORWARDED_PROTO)
        .or_else(|| last(FORWARDED).and_then(|element| parameter(element, "proto")))?;
    if scheme.eq_ignore_ascii_case("https") {
        Some(true)
    } else if scheme.eq_ignore_ascii_case("http") {
        Some(false)
    } else {
        None
    }
}

fn claim(
    headers: &HeaderMap,
    header: &HeaderName,
    address: impl Fn(&str) -> Option<IpAddr>,
    is_proxy: impl Fn(IpAddr) -> bool,
) -> Claim {
    let mut claim = Claim::Absent;
    for (hops, element) in elements(headers, header).enumerate() {
        match element.and_then(&address) {
            Some(known) if is_proxy(known) && hops < MAX_HOPS => claim = Claim::Client(known),
            Some(known) if !is_proxy(known) => return Claim::Client(known),
            _ => return Claim::Unreadable,
        }
    }
    claim
}

/// A list's elements from the right, over all lines of the header; `None` for one that is not
/// readable text.
fn elements<'h>(
    headers: &'h HeaderMap,
    header: &HeaderName,
) -> impl Iterator<Item = Option<&'h str>> + use<'h> {
    let lines = headers.get_all(header).iter().rev();
    let lines = lines.map(HeaderValue::to_str);
    let elements = lines.flat_map(|line| line.unwrap_or("\0").rsplit(','));
    let trimmed = elements.map(|element| element.trim_matches([' ', '\t']));
    let filled = trimmed.filter(|element| !element.is_empty());
    filled.map(|element| (element != "\0").then_some(element))
}

/// The address of an element's `for`.
fn forwarded_node(element: &str) -> Option<IpAddr> {
    node(parameter(element, "for")?)
}

/// The value of one parameter of an element, without its quotes; `None` where it is not there,
/// there twice, or not as the standard has it.
fn parameter<'e>(element: &'e str, name: &str) -> Option<&'e str> {
    let mut found = None;
    for pair in element.split(';') {
        let (key, value) = pair.split_once('=')?;
        if !key.trim_matches([' ', '\t']).eq_ignore_ascii_case(name) {
            continue;
        }
        if found.is_some() {
            return None;
        }
        found = Some(value.trim_matches([' ', '\t']));
    }
    let value = found?;
    match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"'),
        None => Some(value),
    }
}

/// An address in any of the forms in which proxies write one; `None` for a name that hides it.
fn node(text: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        if !(port.is_empty() || port.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        IpAddr::V6(address.parse::<Ipv6Addr>().ok()?)
    } else {
        let alone = text.parse::<IpAddr>().ok();
        // The port of a client behind another's proxy may be hidden by itself.
        alone.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))?
    };
    Some(address.to_canonical())
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn headers(header: HeaderName, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(&header, HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    /// The service's own proxies are 10.0.0.0/8.
    fn is_proxy(address: IpAddr) -> bool {
        matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
    }

    fn x(lines: &[&str]) -> Claim {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        Claims::of(&headers(FORWARDED_FOR, &lines), is_proxy).x_forwarded_for
    }

    fn standard(lines: &[&str]) -> Claim {
        let lines: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        Claims::of(&headers(FORWARDED, &lines), is_proxy).forwarded
    }

    fn client(address: &str) -> Claim {
        Claim::Client(address.parse().unwrap())
    }

    #[test]
    fn the_client_is_the_right_most_that_is_no_proxy() {
        assert_eq!(x(&[]), Claim::Absent);
        assert_eq!(x(&["203.0.113.9"]), client("203.0.113.9"));
        assert_eq!(
            x(&["127.0.0.1, 203.0.113.9, 10.0.0.2,10.0.0.3"]),
            client("203.0.113.9"),
            "what the client says of itself is left of it"
        );
        assert_eq!(
            x(&["127.0.0.1", "203.0.113.9", " 10.0.0.2"]),
            client("203.0.113.9")
        );
        assert_eq!(
            x(&["10.0.0.7, 10.0.0.2"]),
            client("10.0.0.7"),
            "from inside"
        );
        assert_eq!(x(&["203.0.113.9, ,"]), client("203.0.113.9"));
        assert_eq!(x(&["[2001:db8::1]:443"]), client("2001:db8::1"));
        assert_eq!(x(&["2001:db8::1"]), client("2001:db8::1"));
        assert_eq!(
            x(&["::ffff:10.0.0.1, 203.0.113.9:80"]),
            client("203.0.113.9")
        );
    }

    #[test]
    fn what_is_no_address_hides_the_client() {
        for line in [
            "unknown",
            "_hidden",
            "203.0.113.9, localhost",
            "203.0.113.9, 10.0.0.2.example",
            "1.2.3.4.5",
            "fe80::1%eth0",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[2001:db8::1]:99999",
            "[2001:db8::1]:+1",
            "[10.0.0.1]",
        ] {
            assert_eq!(x(&[line]), Claim::Unreadable, "{line}");
        }
        let bad = headers(FORWARDED_FOR, &[b"127.0.0.1, \xff\xfe"]);
        assert_eq!(
            Claims::of(&bad, is_proxy).x_forwarded_for,
            Claim::Unreadable
        );
        let hops = vec!["10.0.0.1"; MAX_HOPS + 2].join(",");
        assert_eq!(x(&[&hops]), Claim::Unreadable);
    }

    #[test]
    fn the_standards_header_is_read_in_each_of_its_forms() {
        for (line, address) in [
            ("for=203.0.113.9", "203.0.113.9"),
            (
                "For=\"203.0.113.9:4711\";proto=https;by=10.0.0.1",
                "203.0.113.9",
            ),
            ("for=127.0.0.1, for=\"[2001:db8::1]:4711\"", "2001:db8::1"),
            (
                "proto=http; for = 203.0.113.9 , for=10.0.0.9;by=10.0.0.1",
                "203.0.113.9",
            ),
        ] {
            assert_eq!(standard(&[line]), client(address), "{line}");
        }
        assert_eq!(
            standard(&["for=\"127.0.0.1", "for=203.0.113.9"]),
            client("203.0.113.9"),
            "a quote left open takes nothing with it"
        );
        for line in [
            "for=unknown",
            "for=_secret",
            "proto=https",
            "for",
            "for=\"203.0.113.9",
            "for=127.0.0.1;for=203.0.113.9",
        ] {
            assert_eq!(standard(&[line]), Claim::Unreadable, "{line}");
        }
    }

    #[test]
    fn the_last_proxys_scheme_counts() {
        let of = |header, line: &str| is_https(&headers(header, &[line.as_bytes()]));
        assert_eq!(of(FORWARDED_PROTO, "http, HTTPS"), Some(true));
        assert_eq!(of(FORWARDED_PROTO, "http"), Some(false));
        assert_eq!(of(FORWARDED_PROTO, "gopher"), None);
        assert_eq!(
            of(FORWARDED, "proto=http, for=1.2.3.4;proto=\"https\""),
            Some(true)
        );
        assert_eq!(is_https(&HeaderMap::new()), None);
    }

    proptest! {
        #[test]
        fn no_header_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for header in [FORWARDED, FORWARDED_FOR, FORWARDED_PROTO] {
                if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                    let mut map = HeaderMap::new();
                    map.insert(header, value);
                    let _ = (Claims::of(&map, is_proxy), is_https(&map));
                }
            }
        }

        #[test]
        fn nothing_to_the_left_changes_what_the_proxy_saw(left in "[ -~]{0,200}") {
            let lines = [format!("{left},203.0.113.9, 10.0.0.2")];
            prop_assert_eq!(x(&[&lines[0]]), client("203.0.113.9"));
            let lines = [format!("{left},for=203.0.113.9, for=10.0.0.2")];
            prop_assert_eq!(standard(&[&lines[0]]), client("203.0.113.9"));
        }

        #[test]
        fn every_address_is_read_back(v4 in any::<std::net::Ipv4Addr>(), v6 in any::<Ipv6Addr>(), port in any::<u16>()) {
            prop_assert_eq!(node(&v4.to_string()), Some(IpAddr::V4(v4)));
            prop_assert_eq!(node(&format!("{v4}:{port}")), Some(IpAddr::V4(v4)));
            let canonical = IpAddr::V6(v6).to_canonical();
            prop_assert_eq!(node(&v6.to_string()), Some(canonical));
            prop_assert_eq!(node(&format!("[{v6}]")), Some(canonical));
            prop_assert_eq!(node(&format!("[{v6}]:{port}")), Some(canonical));
        }
    }
}
