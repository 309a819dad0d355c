//! Which exporters each signal has:
//! <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#exporter-selection>.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::env::Env;
use super::setting::Source;
use crate::InitError;

/// The exporters of one signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exporters {
    pub(crate) otlp: bool,
    pub(crate) console: bool,
    pub(crate) prometheus: bool,
}

impl Exporters {
    /// An unknown one is an error: a fallback would send the data to a place that nobody
    /// asked for.
    pub(super) fn read(env: &Env<'_>, variable: &'static str) -> Result<Self, InitError> {
        let prometheus = variable == "OTEL_METRICS_EXPORTER";
        let mut exporters = Self::default();
        let Some(value) = env.get(variable) else {
            exporters.otlp = true;
            env.decide(variable, "otlp", Source::Default);
            return Ok(exporters);
        };
        let mut shown = Vec::new();
        for name in value.split(',').map(str::trim) {
            let known = name.to_ascii_lowercase();
            match known.as_str() {
                "" | "none" => continue,
                "otlp" => exporters.otlp = true,
                "console" => exporters.console = true,
                "prometheus" if prometheus => exporters.prometheus = true,
                _ => {
                    return Err(InitError::InvalidVariable {
                        variable: variable.to_owned(),
                        reason: format!("there is no exporter called {name:?}"),
                        expected: if prometheus {
                            "none, or a list of otlp, prometheus and console"
                        } else {
                            "none, or a list of otlp and console"
                        },
                    });
                }
            }
            if !shown.contains(&known) {
                shown.push(known);
            }
        }
        let shown = match shown.is_empty() {
            true => "none".to_owned(),
            false => shown.join(","),
        };
        env.decide(variable, shown, Source::Variable(variable.to_owned()));
        Ok(exporters)
    }
}

/// Where the Prometheus endpoint listens. Open to the machine only, unless told otherwise.
pub(super) fn prometheus_address(env: &Env<'_>) -> Result<SocketAddr, InitError> {
    const HOST: &str = "OTEL_EXPORTER_PROMETHEUS_HOST";
    const PORT: &str = "OTEL_EXPORTER_PROMETHEUS_PORT";
    let source = |variable: &str, value: &Option<String>| match value {
        Some(_) => Source::Variable(variable.to_owned()),
        None => Source::Default,
    };
    let invalid = |variable: &str, value: &str, expected| InitError::InvalidVariable {
        variable: variable.to_owned(),
        reason: format!("{value:?} cannot be listened at"),
        expected,
    };
    let given = env.get(HOST);
    let host = match given.as_deref() {
        None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(host) if host.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Some(host) => host.parse().map_err(|_| {
            let expected = "localhost or an IP address such as 127.0.0.1 (the default)";
            invalid(HOST, host, expected)
        })?,
    };
    env.decide(HOST, host, source(HOST, &given));
    let given = env.get(PORT);
    let port = match given.as_deref() {
        None => 9464,
        Some(port) => port
            .parse()
            .map_err(|_| invalid(PORT, port, "a port number such as 9464 (the default)"))?,
    };
    env.decide(PORT, port, source(PORT, &given));
    Ok(SocketAddr::new(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variable: &'static str, value: &str) -> Result<Exporters, InitError> {
        Exporters::read(&Env::new(&|_| Some(value.to_owned())), variable)
    }

    #[test]
    fn a_signal_can_have_several_exporters_or_none() {
        let two = read("OTEL_TRACES_EXPORTER", "otlp, Console,otlp").unwrap();
        assert!(two.otlp && two.console);
        let none = read("OTEL_LOGS_EXPORTER", "none").unwrap();
        assert_eq!(none, Exporters::default());
        let pulled = read("OTEL_METRICS_EXPORTER", "prometheus").unwrap();
        assert!(pulled.prometheus && !pulled.otlp);
        assert!(read("OTEL_LOGS_EXPORTER", "").unwrap().otlp, "the default");
    }

    #[test]
    fn an_unknown_exporter_is_an_error_that_names_the_variable() {
        for (variable, value) in [
            ("OTEL_LOGS_EXPORTER", "splunk"),
            ("OTEL_TRACES_EXPORTER", "otlp,zipkin"),
            ("OTEL_TRACES_EXPORTER", "prometheus"),
            ("OTEL_METRICS_EXPORTER", "otlp/stdout"),
        ] {
            let said = read(variable, value).unwrap_err().to_string();
            assert!(said.contains(variable), "{said}");
            assert!(said.contains("none, or a list of otlp"), "{said}");
        }
    }
}
