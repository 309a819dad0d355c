//! Sentry's variables: <https://docs.sentry.io/platforms/rust/configuration/options/>.

use sentry_core::types::Dsn;

use super::env::Env;
use super::features;
use super::setting::Source;
use crate::{InitError, network};

#[derive(Debug)]
pub(crate) struct SentrySettings {
    pub(crate) dsn: Dsn,
    pub(crate) release: Option<String>,
    pub(crate) environment: Option<String>,
    /// `SENTRY_DIST`.
    pub(crate) distribution: Option<String>,
    /// The share of events that is sent, from 0 to 1.
    pub(crate) sample_rate: f32,
    /// What the client does is said on standard error.
    pub(crate) debug: bool,
}

/// Variables whose value is taken as it stands.
const TEXTS: [&str; 3] = ["SENTRY_RELEASE", "SENTRY_ENVIRONMENT", "SENTRY_DIST"];

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
        let url = dsn.envelope_api_url();
        if url.scheme() == "https" && !features::TLS {
            return Err(InitError::InvalidVariable {
                variable: "SENTRY_DSN".to_owned(),
                reason: format!("it is https, and {}", features::without("tls")),
                expected: "an http DSN, or the feature `tls` of throughline in Cargo.toml",
            });
        }
        if url.scheme() == "http" && !url.host().is_some_and(|host| network::is_near(&host)) {
            env.warn(format!(
                "SENTRY_DSN sends error reports in plain text to {}, a public host; use https",
                dsn.host()
            ));
        }
        // Without the key.
        let shown = format!(
            "{}/{}",
            url.origin().ascii_serialization(),
            dsn.project_id()
        );
        env.decide(
            "SENTRY_DSN",
            shown,
            Source::Variable("SENTRY_DSN".to_owned()),
        );
        let [release, environment, distribution] = TEXTS.map(|variable| {
            let value = env.get(variable)?;
            env.decide(variable, &value, Source::Variable(variable.to_owned()));
            Some(value)
        });
        Ok(Some(Self {
            dsn,
            release,
            environment,
            distribution,
            sample_rate: env.word("SENTRY_SAMPLE_RATE", 1.0, "a number from 0 to 1", |text| {
                text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate))
            }),
            debug: env.flag("SENTRY_DEBUG"),
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

    #[cfg(not(feature = "tls"))]
    #[test]
    fn a_dsn_of_https_in_vain_is_an_error_with_the_feature_and_without_the_key() {
        let lookup = |_: &str| Some("https://hunter2@sentry.example/7".to_owned());
        let said = SentrySettings::read(&Env::new(&lookup))
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("SENTRY_DSN") && said.contains("`tls`"),
            "{said}"
        );
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_sample_rate_that_is_none_sends_everything() {
        for (text, rate, warnings) in [
            ("0", 0.0, 0),
            ("0.25", 0.25, 0),
            ("1", 1.0, 0),
            ("25%", 1.0, 1),
            ("-0.1", 1.0, 1),
            ("1.5", 1.0, 1),
            ("NaN", 1.0, 1),
        ] {
            let lookup = |name: &str| match name {
                "SENTRY_DSN" => Some("http://key@127.0.0.1/7".to_owned()),
                "SENTRY_SAMPLE_RATE" => Some(text.to_owned()),
                _ => None,
            };
            let env = Env::new(&lookup);
            let settings = SentrySettings::read(&env).unwrap().unwrap();
            assert!((settings.sample_rate - rate).abs() < f32::EPSILON, "{text}");
            let said = env.take_warnings();
            assert_eq!(said.len(), warnings, "{text}: {said:?}");
            assert!(said.iter().all(|said| said.contains("SENTRY_SAMPLE_RATE")));
        }
    }

    #[test]
    fn the_record_has_the_server_and_not_the_key() {
        let lookup = |name: &str| {
            (name == "SENTRY_DSN").then(|| "http://hunter2@sentry.example:8000/7".to_owned())
        };
        let env = Env::new(&lookup);
        SentrySettings::read(&env).unwrap();
        assert_eq!(env.take_decided()[0].value, "http://sentry.example:8000/7");
        let warnings = env.take_warnings();
        assert!(warnings[0].contains("plain text"), "{warnings:?}");
        assert!(!warnings[0].contains("hunter2"), "{warnings:?}");
    }
}
