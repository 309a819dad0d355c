//! What a service sees and what leaves its process: each case in a process of its own, what
//! it sent decoded by `throughline-receiver`. One program, as each links the whole SDK.

#![allow(clippy::unwrap_used)]

mod support;

#[cfg(feature = "attack")]
mod attack;
mod bursts;
mod compression;
mod connections;
mod console;
mod conventions;
mod correlation;
mod deadline;
mod emitted_names;
mod ends;
mod features;
mod filter_endpoint;
mod fork;
#[cfg(feature = "health")]
mod health;
mod lifecycle;
mod limits;
mod memory;
mod metric_limits;
mod metrics;
mod outage;
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
#[cfg(feature = "security-headers")]
mod security_headers;
#[cfg(feature = "sentry")]
mod sentry;
#[cfg(feature = "sentry")]
mod sentry_context;
#[cfg(feature = "sentry")]
mod sentry_delivery;
mod settings;
mod streams;
#[cfg(feature = "tls")]
mod tls;
mod variables;
mod wire_equality;
