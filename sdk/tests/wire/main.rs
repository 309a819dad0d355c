//! What a service sees and what leaves its process: each case in a process of its own, what
//! it sent decoded by `throughline-receiver`. One program, as each links the whole SDK.

#![allow(clippy::unwrap_used)]

mod support;

#[cfg(feature = "security")]
mod attack;
mod bursts;
mod compression;
mod connections;
mod console;
mod conventions;
mod correlation;
#[cfg(feature = "sqlx")]
mod database;
#[cfg(all(feature = "sqlx", unix))]
mod database_servers;
mod deadline;
mod emitted_names;
mod ends;
mod exceptions;
mod features;
mod filter_endpoint;
mod fork;
#[cfg(feature = "http")]
mod grpc_server;
#[cfg(feature = "health")]
mod health;
#[cfg(feature = "http")]
mod http_client;
#[cfg(feature = "axum")]
mod http_server;
mod jobs;
mod lifecycle;
mod limits;
mod memory;
mod metric_limits;
mod metrics;
mod outage;
mod performance;
mod promoted;
mod propagation;
mod quiet;
#[cfg(feature = "sentry")]
mod redaction;
mod refusal;
mod resource;
mod retry;
mod runtime_metrics;
mod runtimes;
mod sampling;
#[cfg(feature = "security")]
mod security_headers;
#[cfg(feature = "sentry")]
mod sentry;
#[cfg(feature = "sentry")]
mod sentry_context;
#[cfg(feature = "sentry")]
mod sentry_delivery;
mod settings;
mod streams;
mod streams_macros;
mod streams_refused;
#[cfg(feature = "tls")]
mod tls;
mod variables;
mod wire_equality;
