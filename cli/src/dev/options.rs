//! What `throughline dev` is told.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

use crate::store::parse_duration;

/// The page's port is Spotlight's, so that Sentry's SDKs with `SENTRY_SPOTLIGHT=1` find it.
pub(crate) const PAGE: &str = "127.0.0.1:8969";

#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Where to take OTLP over gRPC
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4317",
        env = "THROUGHLINE_DEV_OTLP_GRPC"
    )]
    pub(crate) otlp_grpc: SocketAddr,

    /// Where to take OTLP over HTTP, as protobuf or JSON
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:4318",
        env = "THROUGHLINE_DEV_OTLP_HTTP"
    )]
    pub(crate) otlp_http: SocketAddr,

    /// Where to serve the page and to take Sentry's envelopes
    #[arg(long, value_name = "ADDRESS", default_value = PAGE, env = "THROUGHLINE_DEV_PAGE")]
    pub(crate) page: SocketAddr,

    #[command(flatten)]
    pub(crate) data: DataDir,

    /// Keep what arrives in memory, and forget it at the end
    #[arg(long, env = "THROUGHLINE_DEV_MEMORY")]
    pub(crate) memory: bool,

    /// Delete the oldest where more than this is stored, such as 500MB or 2GB [default: 1GB, in memory 256MB]
    #[arg(long, value_name = "SIZE", value_parser = size, env = "THROUGHLINE_DEV_MAX_SIZE")]
    pub(crate) max_size: Option<u64>,

    /// Delete what is older than this, such as 12h or 7d
    #[arg(long, value_name = "AGE", value_parser = age, default_value = "7d", env = "THROUGHLINE_DEV_MAX_AGE")]
    pub(crate) max_age: Duration,

    /// Pass all traces, metrics and logs on to this collector, by OTLP over HTTP
    #[arg(long, value_name = "URL", env = "THROUGHLINE_DEV_FORWARD")]
    pub(crate) forward: Option<url::Url>,

    /// What the collector is told with it, NAME=VALUE (several: repeat it)
    #[arg(
        long,
        value_name = "HEADER",
        env = "THROUGHLINE_DEV_FORWARD_HEADER",
        hide_env_values = true
    )]
    pub(crate) forward_header: Vec<String>,

    /// Pass all of Sentry's envelopes on to this DSN
    #[arg(long, value_name = "DSN", env = "THROUGHLINE_DEV_FORWARD_SENTRY")]
    pub(crate) forward_sentry: Option<url::Url>,

    /// Answer requests for this host name too (several: repeat it)
    #[arg(
        long,
        value_name = "NAME",
        env = "THROUGHLINE_DEV_ALLOW_HOST",
        value_delimiter = ','
    )]
    pub(crate) allow_host: Vec<String>,

    /// Let pages of this origin send telemetry, such as http://localhost:3000
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "THROUGHLINE_DEV_ALLOW_ORIGIN",
        value_delimiter = ','
    )]
    pub(crate) allow_origin: Vec<String>,

    /// How to say that it is ready: for people, or one line of JSON
    #[arg(long, value_name = "FORM", default_value = "text")]
    pub(crate) announce: Announce,
}

/// Where the database lies: the same for `dev` and for what reads beside it.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataDir {
    /// The folder of the database [default: throughline in the user's folder for state]
    #[arg(long, value_name = "DIR", env = "THROUGHLINE_DEV_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

impl DataDir {
    /// `--data-dir`, else `$XDG_STATE_HOME/throughline`, else `~/.local/state/throughline`.
    pub(crate) fn path(&self) -> anyhow::Result<PathBuf> {
        if let Some(path) = &self.data_dir {
            return Ok(path.clone());
        }
        let of = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        of("XDG_STATE_HOME")
            .or_else(|| of("HOME").map(|home| home.join(".local/state")))
            .map(|state| state.join("throughline"))
            .ok_or_else(|| {
                anyhow::anyhow!("neither XDG_STATE_HOME nor HOME names a folder: give --data-dir")
            })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Announce {
    Text,
    Json,
}

impl Options {
    /// What the demo needs: nothing that is there afterwards. The addresses are for OTLP over
    /// gRPC, over HTTP, and for the page.
    pub(crate) fn in_memory(data: DataDir, [otlp_grpc, otlp_http, page]: [SocketAddr; 3]) -> Self {
        Self {
            otlp_grpc,
            otlp_http,
            page,
            data,
            memory: true,
            max_size: None,
            max_age: Duration::from_secs(7 * 24 * 3600),
            forward: None,
            forward_header: Vec::new(),
            forward_sentry: None,
            allow_host: Vec::new(),
            allow_origin: Vec::new(),
            announce: Announce::Text,
        }
    }

    /// The bound on what is stored, in bytes.
    pub(crate) fn max_bytes(&self) -> u64 {
        self.max_size.unwrap_or(if self.memory {
            256_000_000
        } else {
            1_000_000_000
        })
    }
}

/// Reads `500MB`, `2GB`, `64MiB`; a number alone is of bytes.
fn size(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let unit = match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" | "k" => 1000,
        "mb" | "m" => 1_000_000,
        "gb" | "g" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => 0,
    };
    text[..digits]
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|bytes| *bytes >= 1_000_000)
        .ok_or_else(|| "expected a size of 1MB or more, such as 500MB or 2GB".into())
}

fn age(text: &str) -> Result<Duration, String> {
    parse_duration(text)
        .filter(|age| *age >= Duration::from_secs(1))
        .ok_or_else(|| "expected an age of 1s or more, such as 12h or 7d".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_a_least() {
        assert_eq!(size("500MB"), Ok(500_000_000));
        assert_eq!(size("2 GiB"), Ok(2 << 30));
        assert!(size("12").is_err() && size("5XB").is_err() && size("").is_err());
        assert!(size("99999999999999999999GB").is_err());
    }

    #[test]
    fn every_option_and_its_variable_are_in_the_documentation() {
        use clap::CommandFactory;

        #[derive(clap::Parser)]
        struct Dev {
            #[command(flatten)]
            _options: Options,
        }

        let documented = include_str!("../../../docs/viewer.md");
        for argument in Dev::command().get_arguments() {
            let Some(long) = argument.get_long() else {
                continue;
            };
            let variable = match argument.get_env() {
                Some(variable) => format!("`{}`", variable.to_string_lossy()),
                None => "–".into(),
            };
            let row = format!("| `--{long}` | {variable} |");
            assert!(documented.contains(&row), "docs/viewer.md has no {row:?}");
        }
    }
}
