//! What a service sees and what leaves its process: each case in a process of its own, what
//! it sent decoded by `throughline-receiver`. One program, as each links the whole SDK.

#![allow(clippy::unwrap_used)]

mod support;

mod console;
mod conventions;
mod correlation;
mod features;
mod lifecycle;
mod limits;
mod metric_limits;
mod metrics;
mod promoted;
mod propagation;
#[cfg(feature = "sentry")]
mod redaction;
mod resource;
mod runtime_metrics;
mod sampling;
#[cfg(feature = "sentry")]
mod sentry;
mod settings;
#[cfg(feature = "tls")]
mod tls;
mod variables;
