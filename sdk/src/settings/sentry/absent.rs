//! In place of Sentry's variables where the feature `sentry` is not built.

use super::env::Env;
use super::features;
use crate::InitError;

const VARIABLES: [&str; 6] = [
    "SENTRY_DSN",
    "SENTRY_RELEASE",
    "SENTRY_ENVIRONMENT",
    "SENTRY_DIST",
    "SENTRY_SAMPLE_RATE",
    "SENTRY_DEBUG",
];

#[derive(Debug)]
pub(crate) enum SentrySettings {}

impl SentrySettings {
    /// A service runs as well without error reports, so this is no error of `init`; who
    /// wants them finds the reason in the diagnostics.
    pub(crate) fn read(env: &Env<'_>) -> Result<Option<Self>, InitError> {
        for variable in VARIABLES {
            if env.get(variable).is_some() {
                env.warn(format!(
                    "{variable} has no effect: {}",
                    features::without("sentry")
                ));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dsn_in_vain_is_said_with_the_feature_and_without_the_key() {
        let lookup = |name: &str| {
            (name == "SENTRY_DSN").then(|| "https://hunter2@sentry.example/1".to_owned())
        };
        let env = Env::new(&lookup);
        assert!(SentrySettings::read(&env).unwrap().is_none());
        assert_eq!(
            env.take_warnings(),
            ["SENTRY_DSN has no effect: throughline was built without its feature `sentry`"]
        );
    }
}
