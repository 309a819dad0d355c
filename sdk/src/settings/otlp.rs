//! The OTLP exporter's variables, general and per signal:
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>.

use std::fmt;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use url::Url;

use super::endpoint::endpoint;
use super::env::Env;
use super::features;
use super::pairs::parse_pairs;
use super::setting::Source;
use super::tls::TlsSettings;
use crate::InitError;

/// How one signal is sent.
#[derive(Clone, Debug)]
pub(crate) struct OtlpSettings {
    pub(crate) protocol: Protocol,
    /// The whole URL for HTTP, scheme and authority for gRPC.
    pub(crate) endpoint: Url,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// For one try; of metrics for all tries of an export.
    pub(crate) timeout: Duration,
    pub(crate) compression: Option<Compression>,
    pub(crate) tls: TlsSettings,
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

impl OtlpSettings {
    /// Reads the settings of one signal: `traces`, `metrics` or `logs`.
    pub(crate) fn read(env: &Env<'_>, signal: &'static str) -> Result<Self, InitError> {
        let names = Names { signal };
        let protocol = protocol(env, &names)?;
        let endpoint = endpoint(env, &names, protocol)?;
        let tls = TlsSettings::read(env, &names)?;
        if tls.is_set() && endpoint.scheme() == "http" {
            env.warn(format!(
                "the certificates for {signal} have no effect, as the endpoint is plain http"
            ));
        }
        Ok(Self {
            protocol,
            endpoint,
            headers: headers(env, &names)?,
            timeout: env.timeout(&names.of("TIMEOUT").as_strs(), TIMEOUT),
            compression: compression(env, &names),
            tls,
        })
    }

    /// What a person knows the receiver by: scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.endpoint.origin().ascii_serialization()
    }
}

/// The names of one signal's variables.
pub(super) struct Names {
    pub(super) signal: &'static str,
}

/// Two variables for one setting; the signal's own wins.
pub(super) struct Pair {
    pub(super) own: String,
    pub(super) general: String,
}

impl Names {
    pub(super) fn of(&self, suffix: &str) -> Pair {
        let signal = self.signal.to_ascii_uppercase();
        Pair {
            own: format!("OTEL_EXPORTER_OTLP_{signal}_{suffix}"),
            general: format!("OTEL_EXPORTER_OTLP_{suffix}"),
        }
    }
}

impl Pair {
    pub(super) fn as_strs(&self) -> [&str; 2] {
        [&self.own, &self.general]
    }

    /// The variable that is set, with its value.
    pub(super) fn first_set(&self, env: &Env<'_>) -> Option<(String, String)> {
        self.as_strs()
            .into_iter()
            .find_map(|variable| Some((variable.to_owned(), env.get(variable)?)))
    }
}

impl Protocol {
    fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "grpc" => Some(Self::Grpc),
            "http/protobuf" => Some(Self::HttpProtobuf),
            _ => None,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
        })
    }
}

fn protocol(env: &Env<'_>, names: &Names) -> Result<Protocol, InitError> {
    let variables = names.of("PROTOCOL");
    let (protocol, source) = match variables.first_set(env) {
        None => (Protocol::HttpProtobuf, Source::Default),
        Some((variable, value)) => match Protocol::parse(&value) {
            Some(protocol) if !protocol.is_built() => {
                return Err(InitError::InvalidVariable {
                    variable,
                    reason: format!("it asks for gRPC, and {}", features::without("grpc")),
                    expected: "http/protobuf (the default), or the feature `grpc` of throughline in Cargo.toml",
                });
            }
            Some(protocol) => (protocol, Source::Variable(variable)),
            // The wrong protocol reaches no receiver at all, so there is no safe fallback.
            None => {
                return Err(InitError::InvalidVariable {
                    variable,
                    reason: format!("{value:?} is not a protocol that throughline speaks"),
                    expected: "grpc or http/protobuf (the default)",
                });
            }
        },
    };
    env.decide(&variables.own, protocol, source);
    Ok(protocol)
}

fn headers(env: &Env<'_>, names: &Names) -> Result<Vec<(HeaderName, HeaderValue)>, InitError> {
    let variables = names.of("HEADERS");
    let Some((variable, text)) = variables.first_set(env) else {
        return Ok(Vec::new());
    };
    let invalid = |reason| InitError::InvalidVariable {
        variable: variable.clone(),
        reason,
        expected: "name=value pairs with commas between, values percent-encoded, such as authorization=Bearer%20TOKEN",
    };
    let headers = parse_pairs(&text)
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
        .collect::<Result<Vec<_>, InitError>>()?;
    let shown: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    env.decide(&variables.own, shown.join(","), Source::Variable(variable));
    Ok(headers)
}

impl Compression {
    /// The inner `None` is the word `none`.
    fn parse(text: &str) -> Option<Option<Self>> {
        let compression = match text.to_ascii_lowercase().as_str() {
            "gzip" => Self::Gzip,
            "zstd" => Self::Zstd,
            "none" => return Some(None),
            _ => return None,
        };
        compression.is_built().then_some(Some(compression))
    }

    fn word(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// Its word, and the feature of the same name where that is missing.
    fn expected(self) -> String {
        let word = self.word();
        if self.is_built() {
            word.to_owned()
        } else {
            format!("{word} with throughline's feature `{word}`")
        }
    }
}

/// What cannot be compressed as was asked is sent uncompressed, which every receiver takes.
fn compression(env: &Env<'_>, names: &Names) -> Option<Compression> {
    let [gzip, zstd] = [Compression::Gzip, Compression::Zstd].map(Compression::expected);
    env.resolve(
        &names.of("COMPRESSION").as_strs(),
        None,
        &format!("{gzip}, {zstd} or none"),
        Compression::parse,
        |compression| compression.map_or("none", Compression::word).to_owned(),
    )
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
    }

    #[cfg(feature = "grpc")]
    #[test]
    fn grpc_has_a_port_of_its_own_and_no_path() {
        let grpc = read("logs", &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap();
        assert_eq!(grpc.endpoint.as_str(), "http://localhost:4317/");
    }

    #[test]
    fn the_general_endpoint_is_a_base_and_the_signals_own_is_not() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/base/");
        let settings = read("metrics", &[base]).unwrap();
        assert_eq!(
            settings.endpoint.as_str(),
            "http://collector:4318/base/v1/metrics"
        );
        let own = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://metrics/in");
        let settings = read("metrics", &[base, own]).unwrap();
        assert_eq!(settings.endpoint.as_str(), "http://metrics/in");
    }

    #[cfg(all(feature = "grpc", feature = "tls"))]
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

    #[test]
    fn plain_text_to_a_public_host_needs_an_explicit_word() {
        for (protocol, endpoint) in [
            ("http/protobuf", "http://otel.example.com:4318"),
            #[cfg(feature = "grpc")]
            ("grpc", "http://203.0.113.7:4317"),
        ] {
            let variables = [
                ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ];
            let said = read("traces", &variables).unwrap_err().to_string();
            for part in [
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "plain text",
                "OTEL_EXPORTER_OTLP_INSECURE",
            ] {
                assert!(said.contains(part), "{said}");
            }
            for word in [
                "OTEL_EXPORTER_OTLP_INSECURE",
                "OTEL_EXPORTER_OTLP_TRACES_INSECURE",
            ] {
                let meant = [&variables[..], &[(word, "true")]].concat();
                assert!(read("traces", &meant).is_ok(), "{word}");
            }
        }
    }

    #[cfg(feature = "tls")]
    #[test]
    fn an_encrypted_public_host_needs_no_word() {
        let secure = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel.example.com");
        assert!(read("traces", &[secure]).is_ok());
    }
}
