//! An OTLP receiver to embed: gRPC and HTTP in, requests out, decoded or as bytes.
//!
//! A test that wants to know what a service really sends, and a viewer that shows it
//! on a laptop, need the same thing: a server that speaks OTLP as a collector does and
//! hands over what it got. [`Receiver`] keeps everything in memory and lets the caller
//! wait for a condition; [`Server`] hands each request to a [`Sink`] of yours, decoded, or
//! to a [`RawSink`], as the bytes of its message and with the client waiting for its word.
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
//! [`Server::start_raw_on`] runs on the caller's runtime instead.
//!
//! # What is spoken
//! OTLP/gRPC, and OTLP/HTTP with `application/x-protobuf` or `application/json`, each plain,
//! with gzip or with zstd. JSON reaches a sink as protobuf. It is read leniently: enums by
//! number or name, integers as numbers or strings, `null` as absence; unknown fields are
//! ignored. Refusals are a `google.rpc.Status` in the encoding of the request.
//!
//! # Limits
//! A request may be [`MAX_REQUEST_BYTES`] long, compressed and decompressed, and all that
//! are under way together 64 MiB: what exceeds the first is refused for good (413,
//! `RESOURCE_EXHAUSTED`), what exceeds the second for a second (503 with `Retry-After`,
//! `UNAVAILABLE` with `RetryInfo`). Connections, streams, headers and the time for headers
//! and bodies are bounded too. All of it is in [`Limits`].
//!
//! # Who is answered
//! Only requests whose `Host` is this machine, and no web page but those that are allowed:
//! see [`guard`].

mod body;
mod connections;
mod contents;
mod exchange;
mod grpc;
pub mod guard;
mod http;
mod json;
mod options;
mod received;
mod receiver;
mod refusal;
mod request;
mod server;
mod sink;
mod store;

pub use contents::{Contents, latest_metrics};
pub use guard::Access;
pub use opentelemetry_proto::tonic as proto;
pub use options::{Limits, Options};
pub use received::{Attributes, Point, Received};
pub use receiver::Receiver;
pub use request::{ExportRequest, Payload, RawRequest, RequestInfo, Signal, Transport};
pub use server::{Addresses, Server, StartError};
pub use sink::{Accepted, BoxFuture, RawSink, Rejection, Sink};
pub use store::{Store, WaitTimeout};

/// The longest request that is accepted, in bytes, on the wire and decompressed: 16 MiB.
///
/// Four times what a stock gRPC server allows, since a test may well send more than a
/// collector would take in order to see what the exporter does about it.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;
