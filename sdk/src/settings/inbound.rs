//! Whose word counts when a request says where it comes from, and whether requests are
//! logged; kept as long as telemetry runs, for layers that are made anywhere in a service.

use std::net::IpAddr;
use std::sync::{LazyLock, OnceLock};

use ipnet::IpNet;

use super::env::Env;
use super::sampler::TrustInbound;
use super::setting::Source;

/// What a server layer asks about every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InboundSettings {
    /// `THROUGHLINE_TRUST_INBOUND`: whose trace, baggage and request id are taken over.
    pub(crate) trust: TrustInbound,
    /// `THROUGHLINE_TRUSTED_PROXIES`: whose `Forwarded` and `X-Forwarded-*` headers count.
    proxies: Vec<IpNet>,
    /// `THROUGHLINE_ACCESS_LOG`: whether each request leaves a record.
    pub(crate) access_log: bool,
}

impl InboundSettings {
    pub(super) fn read(env: &Env<'_>, trust: TrustInbound) -> Self {
        Self {
            trust,
            proxies: proxies(env),
            access_log: env.word("THROUGHLINE_ACCESS_LOG", true, "true or false", |text| {
                text.to_ascii_lowercase().parse().ok()
            }),
        }
    }

    /// Whether this address is one of the service's own proxies.
    pub(crate) fn is_proxy(&self, address: IpAddr) -> bool {
        self.proxies.iter().any(|range| range.contains(&address))
    }
}

/// An entry that cannot be used is left out: to trust fewer is the safe way to be wrong.
fn proxies(env: &Env<'_>) -> Vec<IpNet> {
    const VARIABLE: &str = "THROUGHLINE_TRUSTED_PROXIES";
    let Some(list) = env.get(VARIABLE) else {
        env.decide(VARIABLE, "none", Source::Default);
        return Vec::new();
    };
    let mut proxies = Vec::new();
    for entry in list.split(',').map(str::trim) {
        match range(entry) {
            Some(range) => proxies.push(range),
            None if entry.is_empty() => {}
            None => env.warn(format!(
                "{VARIABLE}: {entry:?} is left out (expected IP addresses or ranges with commas between, such as 10.0.0.0/8,192.168.1.7)"
            )),
        }
    }
    let shown: Vec<String> = proxies.iter().map(IpNet::to_string).collect();
    let source = Source::Variable(VARIABLE.to_owned());
    env.decide(VARIABLE, shown.join(","), source);
    proxies
}

/// In the form in which addresses are compared: IPv4 as IPv4, also where it was written as
/// IPv6.
fn range(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(IpNet::from(address.to_canonical()));
    }
    let range: IpNet = text.parse().ok()?;
    match (range.addr().to_canonical(), range.prefix_len()) {
        (IpAddr::V4(address), bits) if range.addr().is_ipv6() => {
            IpNet::new(IpAddr::V4(address), bits.checked_sub(96)?).ok()
        }
        _ => Some(range),
    }
}

static IN_FORCE: OnceLock<InboundSettings> = OnceLock::new();

/// From now on [`in_force`] gives these. Telemetry starts once in a process, so the first
/// are the only ones.
pub(crate) fn put_in_force(settings: InboundSettings) {
    let _ = IN_FORCE.set(settings);
}

/// The running telemetry's settings; before it runs, the defaults.
pub(crate) fn in_force() -> &'static InboundSettings {
    static DEFAULTS: LazyLock<InboundSettings> =
        LazyLock::new(|| InboundSettings::read(&Env::new(&|_| None), TrustInbound::Private));
    IN_FORCE.get().unwrap_or(&DEFAULTS)
}

#[cfg(any(test, fuzzing))]
impl InboundSettings {
    /// For the tests of what asks them.
    pub(crate) fn of(trust: TrustInbound, proxies: &str) -> Self {
        let lookup =
            |name: &str| (name == "THROUGHLINE_TRUSTED_PROXIES").then(|| proxies.to_owned());
        Self::read(&Env::new(&lookup), trust)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(proxies: &str) -> (InboundSettings, Vec<String>) {
        let lookup =
            |name: &str| (name == "THROUGHLINE_TRUSTED_PROXIES").then(|| proxies.to_owned());
        let env = Env::new(&lookup);
        let settings = InboundSettings::read(&env, TrustInbound::Private);
        (settings, env.take_warnings())
    }

    #[test]
    fn proxies_are_addresses_and_ranges_of_either_family() {
        let list = "10.0.0.0/8, 192.168.1.7,fd00::/8, ::ffff:172.16.0.1,::ffff:203.0.113.0/120";
        let (settings, warnings) = read(list);
        assert_eq!(warnings, [] as [String; 0]);
        for inside in [
            "10.255.0.1",
            "192.168.1.7",
            "fd12::1",
            "172.16.0.1",
            "203.0.113.255",
        ] {
            assert!(settings.is_proxy(inside.parse().unwrap()), "{inside}");
        }
        for outside in ["11.0.0.1", "192.168.1.8", "fe80::1", "203.0.114.0"] {
            assert!(!settings.is_proxy(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn an_entry_that_cannot_be_used_is_left_out_and_told() {
        let (settings, warnings) = read("proxy.internal,10.0.0.0/33,127.0.0.1,,::ffff:0.0.0.0/95");
        assert!(settings.is_proxy("127.0.0.1".parse().unwrap()));
        assert!(!settings.is_proxy("10.0.0.1".parse().unwrap()));
        assert_eq!(warnings.len(), 3, "{warnings:?}");
        assert!(warnings[0].contains("\"proxy.internal\" is left out"));
    }

    #[test]
    fn requests_are_logged_unless_that_is_switched_off() {
        assert!(read("").0.access_log);
        let lookup = |name: &str| (name == "THROUGHLINE_ACCESS_LOG").then(|| "FALSE".to_owned());
        let settings = InboundSettings::read(&Env::new(&lookup), TrustInbound::All);
        assert!(!settings.access_log);
    }
}
