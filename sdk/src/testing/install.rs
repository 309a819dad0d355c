//! The telemetry of a test process: everything is kept, nothing leaves.

use std::sync::{Arc, Once};

use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};

use super::metrics::CaptureRecorder;
use super::store::{CaptureSink, CaptureSpans};
use crate::event::Sinks;
use crate::filter::live_filter;
use crate::redaction::Redaction;
use crate::{builder, start};
use crate::{panic, propagation, sampling};

/// Sets it up at the first call.
pub(super) fn once() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        if let Err(reason) = install() {
            panic!("cannot capture telemetry: {reason}");
        }
    });
}

fn install() -> Result<(), String> {
    builder::claim().map_err(|error| error.to_string())?;
    let directives = std::env::var("RUST_LOG").unwrap_or_else(|_| "trace".to_owned());
    let (filter, _) = live_filter(&directives).map_err(|error| error.to_string())?;
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_span_processor(CaptureSpans::default())
        .build();
    // As in production: a test sees what would be sent.
    let redactor = Redaction::default().redactor();
    let redactor = Arc::new(redactor.map_err(|error| error.to_string())?);
    let sinks = Arc::new(Sinks {
        redactor: Arc::clone(&redactor),
        console: None,
        otlp: None,
        sentry: None,
        events: None,
        capture: Some(CaptureSink),
    });
    sampling::put_in_force(None);
    start::install_subscriber(Vec::new(), filter, Some(&provider), None, &sinks, None)
        .map_err(|error| error.to_string())?;
    metrics::set_global_recorder(CaptureRecorder).map_err(|error| error.to_string())?;
    opentelemetry::global::set_tracer_provider(provider);
    propagation::install(&propagation::DEFAULT, &redactor);
    panic::install_hook(&sinks);
    // For the life of the process: the panic hook holds it weakly.
    std::mem::forget(sinks);
    Ok(())
}
