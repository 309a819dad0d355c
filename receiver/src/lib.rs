//! An OTLP receiver to embed: gRPC and HTTP/protobuf in, decoded requests out.
//!
//! A test that wants to know what a service really sends, and a viewer that shows it
//! on a laptop, need the same thing: a server that speaks OTLP as a collector does and
//! hands over what it decoded. [`Receiver`] keeps everything in memory and lets the
//! caller wait for a condition; [`Server`] hands each request to a [`Sink`] of yours.
//!
//! ```
//! use std::time::Duration;
//! use opentelemetry_proto::tonic::{
//!     collector::trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
//!     trace::v1::{ResourceSpans, ScopeSpans, Span},
//! };
//! use throughline_receiver::Receiver;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let receiver = Receiver::start()?;
//!
//! // Any OTLP exporter will do: point it at `receiver.grpc_endpoint()`.
//! let mut client = TraceServiceClient::connect(receiver.grpc_endpoint()).await?;
//! let span = Span { name: "GET /orders/{id}".into(), ..Span::default() };
//! client
//!     .export(ExportTraceServiceRequest {
//!         resource_spans: vec![ResourceSpans {
//!             scope_spans: vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }],
//!             ..ResourceSpans::default()
//!         }],
//!     })
//!     .await?;
//!
//! receiver.wait_until(Duration::from_secs(5), |received| received.spans.len() == 1).await?;
//! assert_eq!(receiver.spans()[0].name, "GET /orders/{id}");
//! receiver.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Runtimes
//! The servers run on a thread of their own. A test may therefore block its only
//! thread, say in the flush of the service under test, and the receiver still answers.
//! Plain `#[test]` functions start a receiver in the same way and wait with
//! [`Receiver::blocking_wait_until`].
//!
//! # Limits
//! A request may be [`MAX_REQUEST_BYTES`] long, compressed and decompressed. gzip and zstd
//! are accepted. HTTP takes `application/x-protobuf` only; JSON is answered with 415.

mod contents;
mod grpc;
mod http;
mod received;
mod receiver;
mod request;
mod server;
mod sink;
mod store;

pub use contents::{Contents, latest_metrics};
pub use opentelemetry_proto::tonic as proto;
pub use received::{Attributes, Point, Received};
pub use receiver::Receiver;
pub use request::{ExportRequest, Payload, RequestInfo, Signal, Transport};
pub use server::{Addresses, Server, StartError};
pub use sink::{Rejection, Sink};
pub use store::{Store, WaitTimeout};

/// The longest request that is accepted, in bytes, on the wire and decompressed: 16 MiB.
///
/// Four times what a stock gRPC server allows, since a test may well send more than a
/// collector would take in order to see what the exporter does about it.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
