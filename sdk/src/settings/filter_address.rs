//! `THROUGHLINE_FILTER_ADDRESS`: where the filter can be changed while the service runs.

use std::net::SocketAddr;

use super::env::Env;
use super::setting::Source;
use crate::{InitError, filter_endpoint, network};

pub(crate) const FILTER_ADDRESS: &str = "THROUGHLINE_FILTER_ADDRESS";

pub(super) fn filter_address(env: &Env<'_>) -> Result<Option<SocketAddr>, InitError> {
    let Some(text) = env.get(FILTER_ADDRESS) else {
        env.decide(FILTER_ADDRESS, "off", Source::Default);
        return Ok(None);
    };
    let invalid = |because: &str| InitError::InvalidVariable {
        variable: FILTER_ADDRESS.to_owned(),
        reason: format!("{text:?} is {because}"),
        expected: filter_endpoint::EXPECTED,
    };
    let address: SocketAddr = text.parse().map_err(|_| invalid("no address"))?;
    if !network::is_loopback(address.ip()) {
        return Err(invalid("not on this machine alone"));
    }
    let source = Source::Variable(FILTER_ADDRESS.to_owned());
    env.decide(FILTER_ADDRESS, address, source);
    Ok(Some(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<Option<SocketAddr>, InitError> {
        filter_address(&Env::new(&|_| Some(value.to_owned())))
    }

    #[test]
    fn a_loopback_address_is_taken_and_no_other() {
        assert_eq!(read("").unwrap(), None);
        for good in ["127.0.0.1:9465", "[::1]:9465", "127.1.2.3:0"] {
            assert_eq!(read(good).unwrap(), Some(good.parse().unwrap()));
        }
        for bad in [
            "0.0.0.0:9465",
            "[::]:9465",
            "10.0.0.1:9465",
            "localhost",
            "127.0.0.1",
            "on",
        ] {
            let said = read(bad).unwrap_err().to_string();
            assert!(said.contains(FILTER_ADDRESS), "{said}");
            assert!(said.contains("127.0.0.1:9465"), "{said}");
        }
    }
}
