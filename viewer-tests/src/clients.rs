//! The SDKs that others publish, sending a known set: what a receiver makes of it is theirs,
//! not ours, to say.

use std::{collections::BTreeMap, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{process::Command, time::timeout};

const DONE_WITHIN: Duration = Duration::from_secs(60);

/// The ways that OTLP is spoken, by the specification's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Grpc,
    HttpProtobuf,
    HttpJson,
}

impl Protocol {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::HttpProtobuf => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }
}

/// What [`opentelemetry`] has sent: see `clients/otlp.py`, which says what is in it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Sent {
    /// In hexadecimal.
    pub trace_id: String,
    /// Its spans by name: `GET /orders/{id}`, `charge card`, `POST /charges`, in hexadecimal.
    pub spans: BTreeMap<String, String>,
    /// The service that is asked, and the one that it asks.
    pub services: [String; 2],
}

/// What [`sentry`] has sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Reported {
    /// The event of the exception, in hexadecimal.
    pub exception: String,
    /// The event of the message.
    pub message: String,
}

/// OpenTelemetry's SDK for Python: a trace over two services, records and metrics, to an
/// endpoint without a path. The services are `{service}-web` and `{service}-payments`.
///
/// # Errors
/// If one export is not acknowledged.
pub async fn opentelemetry(protocol: Protocol, endpoint: &str, service: &str) -> Result<Sent> {
    run(
        "otlp.py",
        &[
            "--protocol",
            protocol.name(),
            "--endpoint",
            endpoint,
            "--service",
            service,
        ],
    )
    .await
}

/// Sentry's SDK for Python: an exception with its cause, and a message.
///
/// # Errors
/// If an envelope is not taken.
pub async fn sentry(dsn: &str) -> Result<Reported> {
    run("sentry_client.py", &["--dsn", dsn]).await
}

/// Runs a script to its end; it prints what it sent as JSON.
async fn run<T: DeserializeOwned>(script: &str, arguments: &[&str]) -> Result<T> {
    let python = tokio::task::spawn_blocking(xtask::viewer::python).await??;
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("clients")
        .join(script);
    let mut command = Command::new(python);
    // Whoever runs the tests may have settings of either SDK.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("OTEL_") || name.starts_with("SENTRY_"))
        {
            command.env_remove(name);
        }
    }
    let run = command
        .arg(&path)
        .args(arguments)
        // Compiled Python beside the scripts would be files that nobody wants.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(DONE_WITHIN, run)
        .await
        .with_context(|| format!("{script} did not end within {DONE_WITHIN:?}"))?
        .context("cannot start Python")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{script} ended with {}:\n{stderr}",
        output.status
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{script} did not say what it sent:\n{stderr}"))
}
