//! `OTEL_PROPAGATORS`, through the global propagator that every library uses.

use std::collections::{BTreeSet, HashMap};

use crate::support::in_child;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue, baggage::BaggageExt, global};
use throughline::reexport::opentelemetry;

const TRACE: u128 = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c;
const SPAN: u64 = 0xb7ad_6b71_6920_3331;

/// A context with these ids, sampled, and one entry of baggage.
fn context() -> Context {
    let ids = SpanContext::new(
        TraceId::from(TRACE),
        SpanId::from(SPAN),
        TraceFlags::SAMPLED,
        false,
        TraceState::default(),
    );
    Context::new()
        .with_remote_span_context(ids)
        .with_baggage([KeyValue::new("tenant", "7")])
}

fn injected() -> HashMap<String, String> {
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context(), &mut headers);
    });
    headers
}

/// With this value exactly these headers are sent, and they are read again.
fn carries(test: &str, value: &str, headers: &[(&str, &str)], trace_comes_back: bool) {
    in_child(test, &[("OTEL_PROPAGATORS", value)], || {
        let _telemetry = throughline::builder("propagation").init().unwrap();
        let sent = injected();
        let expected: BTreeSet<(&str, &str)> = headers.iter().copied().collect();
        let found: BTreeSet<(&str, &str)> = sent
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected);
        let read = global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &sent)
        });
        let span = read.span();
        let ids = span.span_context();
        assert_eq!(ids.is_valid(), trace_comes_back);
        if trace_comes_back {
            assert_eq!(ids.trace_id(), TraceId::from(TRACE));
            assert_eq!(ids.span_id(), SpanId::from(SPAN));
            assert!(ids.is_sampled() && ids.is_remote());
        }
    });
}

const TRACEPARENT: (&str, &str) = (
    "traceparent",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
);
const TRACESTATE: (&str, &str) = ("tracestate", "");
const BAGGAGE: (&str, &str) = ("baggage", "tenant=7");
const B3: (&str, &str) = ("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1");
const XRAY: (&str, &str) = (
    "x-amzn-trace-id",
    "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1",
);

#[test]
fn by_default_w3c_s_trace_context_and_baggage() {
    let test = "by_default_w3c_s_trace_context_and_baggage";
    carries(test, "", &[TRACEPARENT, TRACESTATE, BAGGAGE], true);
}

#[test]
fn b3_in_one_header() {
    carries("b3_in_one_header", "b3", &[B3], true);
}

#[test]
fn b3_in_several_headers() {
    let headers = [
        ("x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"),
        ("x-b3-spanid", "b7ad6b7169203331"),
        ("x-b3-sampled", "1"),
    ];
    carries("b3_in_several_headers", "b3multi", &headers, true);
}

#[test]
fn x_ray() {
    carries("x_ray", "xray", &[XRAY], true);
}

#[test]
fn several_at_once() {
    let headers = [XRAY, B3, BAGGAGE];
    carries("several_at_once", "xray,b3,baggage,b3", &headers, true);
}

#[test]
fn none_sends_nothing() {
    carries("none_sends_nothing", "none", &[], false);
}

#[test]
fn a_disabled_sdk_still_passes_the_headers_on() {
    let test = "a_disabled_sdk_still_passes_the_headers_on";
    let variables = [("OTEL_SDK_DISABLED", "true"), ("OTEL_PROPAGATORS", "b3")];
    in_child(test, &variables, || {
        let _telemetry = throughline::init("disabled").unwrap();
        assert_eq!(injected().get("b3").map(String::as_str), Some(B3.1));
    });
}

#[test]
fn a_propagator_without_a_crate_warns_and_the_others_work() {
    let test = "a_propagator_without_a_crate_warns_and_the_others_work";
    let outcome = in_child(test, &[("OTEL_PROPAGATORS", "jaeger,b3")], || {
        let _telemetry = throughline::init("jaeger").unwrap();
        assert_eq!(injected().get("b3").map(String::as_str), Some(B3.1));
    });
    let said = outcome.diagnostics().join("\n");
    assert!(said.contains("OTEL_PROPAGATORS"), "{said}");
    assert!(said.contains("\"jaeger\" has no crate"), "{said}");
}
