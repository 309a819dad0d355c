//! What was decided, and by whom: the answer to "why does it do that?".

use std::fmt;

/// One decision, and where it came from.
///
/// No value is a secret: endpoints come without credentials, path prefix and query, headers
/// and resource attributes as their names, a DSN without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The variable that decides it; for what can be set per signal, the signal's own:
    /// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`.
    pub name: String,
    /// What holds, in the variable's own syntax where it has one.
    pub value: String,
    /// Who said so.
    pub source: Source,
}

/// Who decided a [`Setting`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Nobody: it is the default.
    Default,
    /// The environment. The name can differ from the setting's: one general variable
    /// decides for three signals.
    Variable(String),
    /// A method of the [`Builder`](crate::Builder), or the name given to
    /// [`init`](crate::init).
    Code,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            value,
            source,
        } = self;
        match source {
            Source::Default => write!(f, "{name}={value} (default)"),
            Source::Variable(variable) if variable == name => {
                write!(f, "{name}={value} (environment)")
            }
            Source::Variable(variable) => write!(f, "{name}={value} ({variable})"),
            Source::Code => write!(f, "{name}={value} (code)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_reads_as_an_assignment_with_its_origin() {
        let said = |source| {
            let setting = Setting {
                name: "OTEL_LOG_LEVEL".to_owned(),
                value: "warn".to_owned(),
                source,
            };
            setting.to_string()
        };
        assert_eq!(said(Source::Default), "OTEL_LOG_LEVEL=warn (default)");
        assert_eq!(said(Source::Code), "OTEL_LOG_LEVEL=warn (code)");
        let own = Source::Variable("OTEL_LOG_LEVEL".to_owned());
        assert_eq!(said(own), "OTEL_LOG_LEVEL=warn (environment)");
        let other = Source::Variable("OTEL_OTHER".to_owned());
        assert_eq!(said(other), "OTEL_LOG_LEVEL=warn (OTEL_OTHER)");
    }
}
