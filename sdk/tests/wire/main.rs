//! What a service sees and what leaves its process: each case in a process of its own, what
//! it sent decoded by `throughline-receiver`. One program, as each links the whole SDK.

#![allow(clippy::unwrap_used)]

mod support;

mod console;
mod conventions;
mod correlation;
mod emitted_names;
mod lifecycle;
mod limits;
mod metric_limits;
mod metrics;
mod promoted;
mod propagation;
mod redaction;
mod resource;
mod runtime_metrics;
mod sampling;
mod sentry;
mod sentry_context;
mod sentry_delivery;
mod settings;
mod streams;
mod tls;
mod variables;
