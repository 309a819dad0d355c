//! Where one signal goes, and whether it may go there in plain text.

use std::fmt;

use url::Url;

use super::env::Env;
use super::features;
use super::otlp::{Names, Protocol};
use super::setting::Source;
use crate::{InitError, network};

const EXPECTED: &str = "a URL such as http://localhost:4318 (4317 for gRPC)";

/// The signal's URL: whole for HTTP, scheme and authority for gRPC.
pub(super) fn endpoint(env: &Env<'_>, names: &Names, protocol: Protocol) -> Result<Url, InitError> {
    let variables = names.of("ENDPOINT");
    let insecure_variables = names.of("INSECURE");
    let insecure = env.flag_of(&insecure_variables.as_strs());
    let default = match protocol {
        Protocol::Grpc => "http://localhost:4317",
        Protocol::HttpProtobuf => "http://localhost:4318",
    };
    let given = variables.first_set(env);
    let source = match &given {
        Some((variable, _)) => Source::Variable(variable.clone()),
        None => Source::Default,
    };
    let (variable, text) = given.unwrap_or_else(|| (variables.general.clone(), default.to_owned()));
    let invalid = |reason: String| InitError::InvalidVariable {
        variable: variable.clone(),
        reason,
        expected: EXPECTED,
    };
    // gRPC endpoints may come without a scheme; OTEL_EXPORTER_OTLP_INSECURE then decides.
    let text = if protocol == Protocol::Grpc && !text.contains("://") {
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
    if url.scheme() == "https" && !features::TLS {
        return Err(InitError::InvalidVariable {
            variable,
            reason: format!("it is https, and {}", features::without("tls")),
            expected: "an http URL, or the feature `tls` of throughline in Cargo.toml",
        });
    }
    let near = url.host().is_some_and(|host| network::is_near(&host));
    if url.scheme() == "http" && !near && !insecure {
        return Err(InitError::InvalidVariable {
            variable,
            reason: format!(
                "it would send telemetry in plain text to {}, a public host",
                url.host_str().unwrap_or_default()
            ),
            expected: "an https URL, or OTEL_EXPORTER_OTLP_INSECURE=true where plain text is meant",
        });
    }
    // The general endpoint is a base to which the signal's path is added; the signal's own
    // is used as it stands, with `/` where it has no path.
    if protocol == Protocol::HttpProtobuf && variable == variables.general {
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/v1/{}", names.signal));
    }
    env.decide(&variables.own, Shown(&url, names.signal), source);
    Ok(url)
}

/// An endpoint fit for a log. Some receivers want a token in the path or in the query, so
/// that only the path that the specification adds is shown.
struct Shown<'a>(&'a Url, &'static str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(url, signal) = self;
        let own = format!("/v1/{signal}");
        f.write_str(&url.origin().ascii_serialization())?;
        match url.path() {
            "/" | "" => {}
            path if path == own => f.write_str(&own)?,
            path if path.ends_with(&own) => write!(f, "/…{own}")?,
            _ => f.write_str("/…")?,
        }
        if url.query().is_some() {
            f.write_str("?…")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_shows_neither_a_path_of_its_own_nor_a_query() {
        for (given, shown) in [
            (
                "http://localhost:4318/v1/traces",
                "http://localhost:4318/v1/traces",
            ),
            (
                "https://otel.example/hunter2/v1/traces",
                "https://otel.example/…/v1/traces",
            ),
            ("https://otel.example/hunter2", "https://otel.example/…"),
            ("https://otel.example?key=hunter2", "https://otel.example?…"),
            ("http://collector:4317/", "http://collector:4317"),
        ] {
            let url = Url::parse(given).unwrap();
            assert_eq!(Shown(&url, "traces").to_string(), shown);
        }
    }
}
