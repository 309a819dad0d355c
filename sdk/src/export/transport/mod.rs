//! How a request gets to the receiver and its answer back, over either of OTLP's protocols.
//!
//! Both go through the one HTTP client. gRPC needs little of HTTP/2 for a single call, and
//! that little is here: the crates that do it take a message and compress it themselves,
//! while what waits here has been encoded and compressed once, for all its tries.

#[cfg(feature = "grpc")]
mod grpc;
mod http;

use std::sync::Arc;

use bytes::Bytes;
use http::Http;

use super::answer::Answer;
use super::client::{Client, Failure};
use super::destination::Destination;
use super::packing::Packing;
use crate::InitError;
use crate::settings::{OtlpSettings, Protocol};

/// What a receiver is told of us:
/// <https://opentelemetry.io/docs/specs/otel/protocol/exporter/#user-agent>.
const USER_AGENT: &str = concat!(
    "throughline/",
    env!("CARGO_PKG_VERSION"),
    " OTel-OTLP-Exporter-Rust/",
    env!("CARGO_PKG_VERSION")
);

/// The signals that are sent by OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Transport {
    protocol: Spoken,
    packing: Packing,
}

#[derive(Clone, Debug)]
enum Spoken {
    Http(Arc<Http>),
    #[cfg(feature = "grpc")]
    Grpc(Arc<grpc::Grpc>),
    #[cfg(test)]
    Script(Script),
}

/// What a test's receiver answers.
#[cfg(test)]
#[derive(Clone)]
pub(super) struct Script(pub(super) Arc<dyn Fn() -> Result<Answer, Failure> + Send + Sync>);

#[cfg(test)]
impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Transport {
    pub(crate) fn new(
        signal: Signal,
        settings: &OtlpSettings,
        destination: &Arc<Destination>,
    ) -> Result<Self, InitError> {
        let failed = |reason| InitError::Exporter {
            signal: signal.as_str(),
            reason,
        };
        let client = Client::new(settings, Arc::clone(destination)).map_err(failed)?;
        let protocol = match settings.protocol {
            Protocol::HttpProtobuf => {
                Spoken::Http(Arc::new(Http::new(client, settings).map_err(failed)?))
            }
            #[cfg(feature = "grpc")]
            Protocol::Grpc => {
                let grpc = grpc::Grpc::new(client, signal, settings).map_err(failed)?;
                Spoken::Grpc(Arc::new(grpc))
            }
            #[cfg(not(feature = "grpc"))]
            Protocol::Grpc => return Err(failed("the feature `grpc` is off".to_owned())),
        };
        Ok(Self {
            protocol,
            packing: Packing::of(settings.compression),
        })
    }

    #[cfg(test)]
    pub(super) fn scripted(
        answer: impl Fn() -> Result<Answer, Failure> + Send + Sync + 'static,
    ) -> Self {
        Self {
            protocol: Spoken::Script(Script(Arc::new(answer))),
            packing: Packing::Plain,
        }
    }

    /// How bodies are best packed.
    pub(crate) fn packing(&self) -> Packing {
        self.packing
    }

    /// One try. Must run on the export runtime.
    pub(crate) async fn send(&self, body: Bytes, packing: Packing) -> Result<Answer, Failure> {
        match &self.protocol {
            Spoken::Http(http) => http.send(body, packing).await,
            #[cfg(feature = "grpc")]
            Spoken::Grpc(grpc) => grpc.send(body, packing).await,
            #[cfg(test)]
            Spoken::Script(Script(answer)) => answer(),
        }
    }
}
