//! To which hosts a request may carry who asked: a trace's ids, a user's, a tenant's. A header
//! that a third party can read is a leak, so each host is allowed by name or by nearness.

use std::net::IpAddr;
use std::sync::{LazyLock, OnceLock};

use ipnet::IpNet;

use crate::network;

pub(crate) const EXPECTED: &str = "none, *, or a list of private, host names, *.suffixes, addresses and networks without ports, such as private,*.example.com,203.0.113.0/24";

/// The hosts of `THROUGHLINE_PROPAGATE_TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AllowedHosts {
    all: bool,
    /// Loopback, private addresses, names of one label and of a cluster.
    near: bool,
    names: Vec<Box<str>>,
    /// `example.com` where `*.example.com` was said.
    suffixes: Vec<Box<str>>,
    networks: Vec<IpNet>,
}

impl Default for AllowedHosts {
    fn default() -> Self {
        Self {
            near: true,
            ..Self::NONE
        }
    }
}

impl AllowedHosts {
    const NONE: Self = Self {
        all: false,
        near: false,
        names: Vec::new(),
        suffixes: Vec::new(),
        networks: Vec::new(),
    };

    /// Reads the list.
    ///
    /// # Errors
    /// Which entry is none, and why. To leave it out would not do: who names the one host
    /// that may know, and mistypes it, does not want the default instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut hosts = Self::NONE;
        let mut entries = 0;
        let mut none = false;
        for entry in text.split(',').map(str::trim) {
            if entry.is_empty() {
                continue;
            }
            entries += 1;
            if entry.eq_ignore_ascii_case("none") {
                none = true;
            } else {
                hosts
                    .add(entry)
                    .map_err(|because| format!("{entry:?} {because}"))?;
            }
        }
        match entries {
            0 => Err("no host is named".to_owned()),
            2.. if none => Err("`none` stands beside others".to_owned()),
            _ => Ok(hosts),
        }
    }

    fn add(&mut self, entry: &str) -> Result<(), &'static str> {
        if entry == "*" {
            self.all = true;
        } else if entry.eq_ignore_ascii_case("private") {
            self.near = true;
        } else if let Some(suffix) = entry.strip_prefix("*.") {
            self.suffixes.push(name(suffix)?);
        } else if entry.contains('/') {
            let network: Result<IpNet, _> = entry.parse();
            self.networks.push(network.map_err(|_| "is no network")?);
        } else if let Ok(address) = bare(entry).parse::<IpAddr>() {
            self.networks.push(address.to_canonical().into());
        } else {
            self.names.push(name(entry)?);
        }
        Ok(())
    }

    /// Whether this host, as a URI has it, may be told.
    pub(crate) fn allow(&self, host: &str) -> bool {
        if self.all {
            return true;
        }
        if let Ok(address) = bare(host).parse::<IpAddr>() {
            return self.allow_address(address);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        if !is_name(host) {
            return false;
        }
        (self.near && network::is_near_name(host))
            || self
                .names
                .iter()
                .any(|name| host.eq_ignore_ascii_case(name))
            || self
                .suffixes
                .iter()
                .any(|suffix| network::is_below(host, suffix))
    }

    fn allow_address(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        (self.near && network::is_near_address(address))
            || self
                .networks
                .iter()
                .any(|network| network.contains(&canonical) || network.contains(&address))
    }
}

/// An address without the brackets that a URI puts around one of version 6.
fn bare(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn name(text: &str) -> Result<Box<str>, &'static str> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.contains(':') {
        return Err("has a port");
    }
    if is_name(text) {
        Ok(text.to_ascii_lowercase().into_boxed_str())
    } else {
        Err("is no host name")
    }
}

/// Whether this can be a name and nothing else: `2130706433`, `0x7f.1` and `10.0.1` are
/// addresses to the resolver, so that a name of one label could be anywhere.
fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let last = host.rsplit('.').next().unwrap_or(host);
    let number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last
            .get(..2)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("0x"));
    host.len() <= 253 && !number && host.split('.').all(is_label)
}

static IN_FORCE: OnceLock<AllowedHosts> = OnceLock::new();

/// From now on [`in_force`] gives these. Telemetry starts once in a process, so the first are
/// the only ones.
pub(crate) fn put_in_force(hosts: AllowedHosts) {
    let _ = IN_FORCE.set(hosts);
}

/// The running telemetry's hosts; before it runs, the default.
pub(crate) fn in_force() -> &'static AllowedHosts {
    static DEFAULT: LazyLock<AllowedHosts> = LazyLock::new(AllowedHosts::default);
    IN_FORCE.get().unwrap_or(&DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(text: &str) -> AllowedHosts {
        AllowedHosts::parse(text).unwrap()
    }

    #[test]
    fn by_default_only_what_is_near_is_told() {
        let default = AllowedHosts::default();
        for near in [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "::1",
            "10.1.2.3",
            "payments",
            "PAYMENTS.shop.SVC.cluster.local",
            "payments.internal.",
            "[::ffff:10.0.0.1]",
        ] {
            assert!(default.allow(near), "{near}");
        }
        for far in [
            "api.example.com",
            "8.8.8.8",
            "[2001:db8::1]",
            "localhost.example.com",
            "",
            ".",
            "a..b",
            "local host",
            "[::1",
            "fe80::1%eth0",
            "/run/app.sock",
        ] {
            assert!(!default.allow(far), "{far:?}");
        }
    }

    #[test]
    fn a_number_is_an_address_in_disguise_and_no_name_of_one_label() {
        let default = AllowedHosts::default();
        for disguised in [
            "134744072",
            "0x08080808",
            "8.8.2056",
            "010.8.8",
            "0x8.1",
            "0X1",
        ] {
            assert!(!default.allow(disguised), "{disguised}");
        }
    }

    #[test]
    fn each_kind_of_entry_allows_what_it_names_and_nothing_else() {
        for (list, host, allowed) in [
            ("*", "8.8.8.8", true),
            ("*", "anything at all", true),
            ("none", "localhost", false),
            ("NONE", "127.0.0.1", false),
            ("private", "10.0.0.1", true),
            ("private,api.example.com", "API.example.COM.", true),
            ("api.example.com", "localhost", false),
            ("api.example.com", "xapi.example.com", false),
            ("api.example.com", "api.example.com.evil.net", false),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "notexample.com", false),
            ("*.example.com", "example.com.evil.net", false),
            ("203.0.113.0/24", "203.0.113.9", true),
            ("203.0.113.0/24", "[::ffff:203.0.113.9]", true),
            ("203.0.113.0/24", "203.0.114.9", false),
            ("2001:db8::/32", "[2001:db8::7]", true),
            ("2001:db8::1", "[2001:db8::1]", true),
            ("[2001:db8::1]", "2001:db8::1", true),
            ("203.0.113.9", "203.0.113.9", true),
            ("203.0.113.9", "203.0.113.90", false),
            (" a , ,b ", "b", true),
        ] {
            assert_eq!(hosts(list).allow(host), allowed, "{list} {host}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused_by_its_text() {
        for (list, because) in [
            ("api.example.com:8080", "has a port"),
            ("http://api.example.com", "is no network"),
            ("10.0.0.0/33", "is no network"),
            ("10.0.0/8", "is no network"),
            ("10.0.1", "is no host name"),
            ("*example.com", "is no host name"),
            ("a.*.com", "is no host name"),
            ("bücher.example", "is no host name"),
            ("none,localhost", "`none`"),
            (",", "no host"),
        ] {
            let said = AllowedHosts::parse(list).unwrap_err();
            assert!(said.contains(because), "{list}: {said}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_refused_list_allows(text in "\\PC{0,40}", host in "\\PC{0,40}") {
            if let Ok(hosts) = AllowedHosts::parse(&text) {
                hosts.allow(&host);
            }
            AllowedHosts::default().allow(&host);
        }

        #[test]
        fn a_public_address_is_never_near_in_any_spelling(
            octets in any::<[u8; 4]>(),
        ) {
            let address = std::net::Ipv4Addr::from(octets);
            prop_assume!(!network::is_near_address(address.into()));
            let default = AllowedHosts::default();
            let number = u32::from(address);
            for host in [
                address.to_string(),
                format!("[::ffff:{address}]"),
                number.to_string(),
                format!("0x{number:x}"),
                format!("0X{number:X}."),
                format!("{}.{}", octets[0], number & 0x00ff_ffff),
                format!("{address}."),
            ] {
                prop_assert!(!default.allow(&host), "{}", host);
            }
        }

        #[test]
        fn a_suffix_allows_each_name_below_it(name in "[a-z]{1,8}(\\.[a-z]{1,8}){0,2}") {
            let host = format!("{}.example.org", name);
            prop_assert!(hosts("*.example.org").allow(&host));
            let longer = format!("{}.net", host);
            let glued = format!("{}-example.org", name);
            prop_assert!(!hosts("*.example.org").allow(&longer));
            prop_assert!(!hosts("*.example.org").allow(&glued));
        }
    }
}
