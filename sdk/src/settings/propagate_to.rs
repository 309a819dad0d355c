//! `THROUGHLINE_PROPAGATE_TO`: which hosts are told the trace, the request, the user.

use super::env::Env;
use super::setting::Source;
use crate::InitError;
use crate::propagation::{ALLOWED_EXPECTED, AllowedHosts, put_allowed_in_force};

const VARIABLE: &str = "THROUGHLINE_PROPAGATE_TO";

/// The hosts that were read.
#[derive(Debug)]
pub(crate) struct PropagateTo(AllowedHosts);

impl PropagateTo {
    /// An entry that cannot be read is an error: the default would tell hosts that were not
    /// named.
    pub(super) fn read(env: &Env<'_>) -> Result<Self, InitError> {
        let Some(text) = env.get(VARIABLE) else {
            env.decide(VARIABLE, "private", Source::Default);
            return Ok(Self(AllowedHosts::default()));
        };
        let hosts = AllowedHosts::parse(&text).map_err(|reason| InitError::InvalidVariable {
            variable: VARIABLE.to_owned(),
            reason,
            expected: ALLOWED_EXPECTED,
        })?;
        env.decide(VARIABLE, text, Source::Variable(VARIABLE.to_owned()));
        Ok(Self(hosts))
    }

    /// From now on every client goes by them.
    pub(crate) fn put_in_force(self) {
        put_allowed_in_force(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<PropagateTo, InitError> {
        PropagateTo::read(&Env::new(&|_| Some(value.to_owned())))
    }

    #[test]
    fn unset_is_what_is_near_and_what_cannot_be_read_is_an_error() {
        assert!(read("").unwrap().0.allow("localhost"));
        assert!(!read("none").unwrap().0.allow("localhost"));
        let said = read("private,api.example.com:443").unwrap_err().to_string();
        for part in [
            VARIABLE,
            "api.example.com:443",
            "has a port",
            "*.example.com",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}
