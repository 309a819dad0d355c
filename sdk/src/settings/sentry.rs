//! Sentry's variables: <https://docs.sentry.io/platforms/rust/configuration/options/>.

use sentry_core::types::Dsn;

use super::env::Env;
use crate::InitError;

#[derive(Debug)]
pub(crate) struct SentrySettings {
    pub(crate) dsn: Dsn,
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
}

impl SentrySettings {
    /// `None` without a `SENTRY_DSN`: then nothing of Sentry is built or paid for.
    pub(crate) fn read(env: &Env<'_>) -> Result<Option<Self>, InitError> {
        let Some(text) = env.get("SENTRY_DSN") else {
            return Ok(None);
        };
        // The text itself stays out of the error: it holds the project's key.
        let dsn = text
            .parse::<Dsn>()
            .map_err(|error| InitError::InvalidVariable {
                variable: "SENTRY_DSN".to_owned(),
                reason: error.to_string(),
                expected: "a DSN such as https://KEY@sentry.example/1",
            })?;
        Ok(Some(Self {
            dsn,
            release: env.get("SENTRY_RELEASE"),
            environment: env.get("SENTRY_ENVIRONMENT"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_dsn_is_an_error_that_does_not_repeat_the_key() {
        for bad in [
            "hunter2",
            "https://hunter2@",
            "https://hunter2@host/",
            "ftp://hunter2@h/1",
        ] {
            let said = SentrySettings::read(&Env::new(&|_| Some(bad.to_owned())))
                .unwrap_err()
                .to_string();
            assert!(
                said.contains("SENTRY_DSN") && said.contains("https://KEY@"),
                "{said}"
            );
            assert!(!said.contains("hunter2"), "{said}");
        }
    }
}
