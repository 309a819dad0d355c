//! The OTLP exporter's variables, general and per signal:
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use super::env::{Env, parse_pairs};
use crate::InitError;

/// How one signal is sent.
#[derive(Clone, Debug)]
pub(crate) struct OtlpSettings {
    pub(crate) protocol: Protocol,
    /// The whole URL for HTTP, scheme and authority for gRPC.
    pub(crate) endpoint: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeout: Duration,
    pub(crate) compression: Option<Compression>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Grpc,
    HttpProtobuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    Gzip,
    Zstd,
}

const TIMEOUT: Duration = Duration::from_secs(10);
const ENDPOINT_EXPECTED: &str = "a URL such as http://localhost:4318 (4317 for gRPC)";

impl OtlpSettings {
    /// Reads the settings of one signal: `traces`, `metrics` or `logs`.
    pub(crate) fn read(env: &Env<'_>, signal: &'static str) -> Result<Self, InitError> {
        let protocol = Protocol::read(env, signal)?;
        Ok(Self {
            protocol,
            endpoint: endpoint(env, signal, protocol)?,
            headers: headers(env, signal)?,
            timeout: timeout(env, signal),
            compression: compression(env, signal),
        })
    }

    /// What a person knows the receiver by: scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}

/// The signal's own variable where it is set, else the general one.
fn specific(env: &Env<'_>, signal: &str, suffix: &str) -> Option<(String, String)> {
    let own = format!(
        "OTEL_EXPORTER_OTLP_{}_{suffix}",
        signal.to_ascii_uppercase()
    );
    let general = format!("OTEL_EXPORTER_OTLP_{suffix}");
    [own, general]
        .into_iter()
        .find_map(|variable| env.get(&variable).map(|value| (variable, value)))
}

impl Protocol {
    fn read(env: &Env<'_>, signal: &str) -> Result<Self, InitError> {
        let Some((variable, value)) = specific(env, signal, "PROTOCOL") else {
            return Ok(Self::HttpProtobuf);
        };
        match value.as_str() {
            "grpc" => Ok(Self::Grpc),
            "http/protobuf" => Ok(Self::HttpProtobuf),
            // The wrong protocol reaches no receiver at all, so there is no safe fallback.
            _ => Err(InitError::InvalidVariable {
                variable,
                reason: format!("{value:?} is not a protocol that throughline speaks"),
                expected: "grpc or http/protobuf (the default)",
            }),
        }
    }
}

fn endpoint(env: &Env<'_>, signal: &str, protocol: Protocol) -> Result<Url, InitError> {
    let default = match protocol {
        Protocol::Grpc => "http://localhost:4317",
        Protocol::HttpProtobuf => "http://localhost:4318",
    };
    let given = specific(env, signal, "ENDPOINT");
    let (variable, text) = given
        .clone()
        .unwrap_or_else(|| ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), default.to_owned()));
    let invalid = |reason: String| InitError::InvalidVariable {
        variable: variable.clone(),
        reason,
        expected: ENDPOINT_EXPECTED,
    };
    // gRPC endpoints may come without a scheme; OTEL_EXPORTER_OTLP_INSECURE then decides.
    let text = if protocol == Protocol::Grpc && !text.contains("://") {
        let insecure = specific(env, signal, "INSECURE")
            .is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"));
        format!("{}://{text}", if insecure { "http" } else { "https" })
    } else {
        text
    };
    let mut url = Url::parse(&text).map_err(|error| invalid(error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid(format!("the scheme is {:?}", url.scheme())));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(invalid("it names no host".to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            "it carries credentials, which belong in OTEL_EXPORTER_OTLP_HEADERS".to_owned(),
        ));
    }
    // The general endpoint is a base to which the signal's path is added; the signal's own
    // is used as it stands, with `/` where it has no path.
    let general = variable == "OTEL_EXPORTER_OTLP_ENDPOINT";
    if protocol == Protocol::HttpProtobuf && general {
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/v1/{signal}"));
    }
    Ok(url)
}

fn headers(env: &Env<'_>, signal: &str) -> Result<Vec<(HeaderName, HeaderValue)>, InitError> {
    let Some((variable, text)) = specific(env, signal, "HEADERS") else {
        return Ok(Vec::new());
    };
    let invalid = |reason| InitError::InvalidVariable {
        variable: variable.clone(),
        reason,
        expected: "name=value pairs with commas between, values percent-encoded, such as authorization=Bearer%20TOKEN",
    };
    parse_pairs(&text)
        .map_err(invalid)?
        .into_iter()
        .map(|(name, value)| {
            let parsed = HeaderName::try_from(&name)
                .map_err(|_| invalid(format!("{name:?} is not a header's name")))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                invalid(format!(
                    "the value of `{name}` has characters that no header can carry"
                ))
            })?;
            value.set_sensitive(true);
            Ok((parsed, value))
        })
        .collect()
}

fn timeout(env: &Env<'_>, signal: &str) -> Duration {
    specific(env, signal, "TIMEOUT").map_or(TIMEOUT, |(variable, _)| env.millis(&variable, TIMEOUT))
}

fn compression(env: &Env<'_>, signal: &str) -> Option<Compression> {
    let (variable, value) = specific(env, signal, "COMPRESSION")?;
    match value.as_str() {
        "gzip" => Some(Compression::Gzip),
        "zstd" => Some(Compression::Zstd),
        "none" => None,
        _ => {
            env.warn(format!(
                "{variable}={value:?} is unknown (expected gzip, zstd or none); nothing is compressed"
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(signal: &'static str, variables: &[(&str, &str)]) -> Result<OtlpSettings, InitError> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        };
        OtlpSettings::read(&Env::new(&lookup), signal)
    }

    #[test]
    fn the_defaults_are_the_specifications() {
        let settings = read("traces", &[]).unwrap();
        assert_eq!(settings.protocol, Protocol::HttpProtobuf);
        assert_eq!(
            settings.endpoint.as_str(),
            "http://localhost:4318/v1/traces"
        );
        assert_eq!(settings.timeout, Duration::from_secs(10));
        assert_eq!(settings.compression, None);
        let grpc = read("logs", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap();
        assert_eq!(grpc.endpoint.as_str(), "http://localhost:4317/");
    }

    #[test]
    fn the_general_endpoint_is_a_base_and_the_signals_own_is_not() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example/base/");
        let settings = read("metrics", &[base]).unwrap();
        assert_eq!(
            settings.endpoint.as_str(),
            "https://otel.example/base/v1/metrics"
        );
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://m.example/in");
        let settings = read("metrics", &[base, own]).unwrap();
        assert_eq!(settings.endpoint.as_str(), "http://m.example/in");
    }

    #[test]
    fn a_grpc_endpoint_without_a_scheme_is_secure_unless_told_otherwise() {
        let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
        let bare = ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
        let settings = read("traces", &[grpc, bare]).unwrap();
        assert_eq!(settings.endpoint.as_str(), "https://collector:4317/");
        let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
        let settings = read("traces", &[grpc, bare, insecure]).unwrap();
        assert_eq!(settings.endpoint.as_str(), "http://collector:4317/");
    }

    #[test]
    fn an_endpoint_that_cannot_be_used_is_an_error_that_names_its_variable() {
        for bad in [
            "localhost:4318",
            "not a url",
            "ftp://x",
            "http://",
            "http://u:hunter2@x",
        ] {
            let error = read("traces", &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", bad)]).unwrap_err();
            let said = error.to_string();
            assert!(
                said.contains("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
                "{said}"
            );
            assert!(said.contains("http://localhost:4318"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn headers_are_decoded_and_a_bad_one_never_shows_its_value() {
        let good = (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20abc,x-tenant=7",
        );
        let settings = read("logs", &[good]).unwrap();
        assert_eq!(settings.headers[0].1, "Bearer abc");
        assert!(!format!("{settings:?}").contains("abc"));
        for bad in [
            "hunter2",
            "bad name=hunter2",
            "x=hunter2%0A",
            "x=hunter2%ZZ",
        ] {
            let said = read("logs", &[("OTEL_EXPORTER_OTLP_HEADERS", bad)])
                .unwrap_err()
                .to_string();
            assert!(said.contains("OTEL_EXPORTER_OTLP_HEADERS"), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
    }

    #[test]
    fn an_unknown_protocol_is_an_error_because_no_fallback_would_arrive() {
        let error = read("traces", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "udp")]).unwrap_err();
        assert!(error.to_string().contains("grpc or http/protobuf"));
    }
}
