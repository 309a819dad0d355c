//! Sampling: decided early, once for a whole trace, and never at the price of a record.

use std::collections::HashMap;

use crate::support::received_by;
use opentelemetry::global;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use throughline_receiver::Attributes;
use tracing::{Instrument, error, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

fn remote(sampled: bool) -> opentelemetry::Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let ids = SpanContext::new(
        TraceId::from(0xabc),
        SpanId::from(0xdef),
        flags,
        true,
        TraceState::default(),
    );
    opentelemetry::Context::new().with_remote_span_context(ids)
}

fn traceparent() -> String {
    let mut headers = HashMap::new();
    global::get_text_map_propagator(|propagator| propagator.inject(&mut headers));
    headers.remove("traceparent").unwrap_or_default()
}

#[test]
fn an_unsampled_trace_sends_no_span_and_keeps_the_ids_of_its_records() {
    let test = "an_unsampled_trace_sends_no_span_and_keeps_the_ids_of_its_records";
    let off = [("OTEL_TRACES_SAMPLER", "always_off")];
    let (receiver, _) = received_by(test, "grpc", &off, || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let telemetry = throughline::init("unsampled").unwrap();
        runtime.block_on(async {
            let request = async {
                throughline::context::set_user("ada");
                info!("in the root");
                info_span!("child").in_scope(|| info!("in a child"));
                let task = async { error!("in a task") };
                tokio::spawn(task.instrument(info_span!("task")))
                    .await
                    .unwrap();
                let named = info_span!("named");
                let child = info_span!(parent: &named, "child of named");
                info!(parent: &child, "by name");
                let call = info_span!("call", otel.kind = "client");
                call.in_scope(|| info!(traceparent = traceparent(), "calling"));
                info!("in the root again");
            };
            request.instrument(info_span!("request")).await;
            info!("outside");
            telemetry.shutdown_async().await;
        });
    });
    assert!(receiver.spans().is_empty(), "{:#?}", receiver.spans());
    let logs = receiver.logs();
    let root = logs
        .iter()
        .find(|log| log.message() == Some("in the root"))
        .unwrap();
    assert_eq!(root.trace_id.len(), 16);
    for log in &logs {
        if log.message() == Some("outside") {
            assert!(log.trace_id.is_empty(), "the context was left");
            continue;
        }
        assert_eq!(log.trace_id, root.trace_id, "{:?}", log.message());
        assert_eq!(log.flags & 1, 0, "{:?}", log.message());
        let user = log
            .attributes
            .iter()
            .find(|attribute| attribute.key == "user.id");
        assert!(user.is_some(), "{:?}", log.message());
    }
    assert_eq!(logs.len(), 7);
    let calling = logs
        .iter()
        .find(|log| log.message() == Some("calling"))
        .unwrap();
    let header = format!("{:?}", calling.attributes);
    let trace_id: String = root
        .trace_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert!(header.contains(&format!("00-{trace_id}-")), "{header}");
    assert!(
        header.contains("-00\""),
        "the next service is told: {header}"
    );
}

#[test]
fn a_ratio_keeps_that_part_of_the_traces_each_whole_or_not_at_all() {
    let test = "a_ratio_keeps_that_part_of_the_traces_each_whole_or_not_at_all";
    let variables = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.3"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "8192"),
        ("RUST_LOG", "off"),
    ];
    let (receiver, _) = received_by(test, "grpc", &variables, || {
        let telemetry = throughline::init("ratio").unwrap();
        for _ in 0..1000 {
            info_span!("root").in_scope(|| {
                info_span!("server", otel.kind = "server").in_scope(|| drop(info_span!("leaf")));
            });
        }
        assert!(telemetry.shutdown().is_lossless());
    });
    let spans = receiver.spans();
    let mut traces: HashMap<_, usize> = HashMap::new();
    for span in &spans {
        *traces.entry(span.trace_id()).or_default() += 1;
    }
    assert!(traces.values().all(|spans| *spans == 3), "traces are whole");
    // Three standard deviations of 1000 tosses at 0.3 are 43.
    assert!(
        (240..=360).contains(&traces.len()),
        "{} traces",
        traces.len()
    );
}

#[test]
fn a_span_that_extracts_follows_its_remote_parent() {
    let test = "a_span_that_extracts_follows_its_remote_parent";
    let off = [("OTEL_TRACES_SAMPLER", "parentbased_always_off")];
    let (receiver, _) = received_by(test, "grpc", &off, || {
        let telemetry = throughline::init("remote").unwrap();
        for sampled in [true, false] {
            let span = info_span!("serve", otel.kind = "server", client.address = "10.0.0.7");
            span.set_parent(remote(sampled)).unwrap();
            span.in_scope(|| {
                info!(sampled, traceparent = traceparent(), "serving");
                info_span!("inner").in_scope(|| info!(sampled, "deeper"));
            });
        }
        assert!(telemetry.shutdown().is_lossless());
    });
    let names: Vec<_> = receiver
        .spans()
        .iter()
        .map(|span| span.name.clone())
        .collect();
    assert_eq!(
        names,
        ["inner", "serve"],
        "those of the sampled parent only"
    );
    let logs = receiver.logs();
    assert_eq!(logs.len(), 4);
    for log in logs {
        assert_eq!(log.trace_id(), Some(TraceId::from(0xabc)));
    }
}

#[test]
fn a_rate_limit_keeps_its_rate_of_new_traces() {
    let test = "a_rate_limit_keeps_its_rate_of_new_traces";
    let (receiver, _) = received_by(test, "grpc", &[("RUST_LOG", "off")], || {
        let telemetry = throughline::builder("limited")
            .sampler(throughline::sampling::RateLimited::per_second(5.0))
            .init()
            .unwrap();
        for _ in 0..200 {
            info_span!("root").in_scope(|| drop(info_span!("child")));
        }
        assert!(telemetry.shutdown().is_lossless());
    });
    let spans = receiver.spans();
    let roots = spans.iter().filter(|span| span.name == "root").count();
    let children = spans.iter().filter(|span| span.name == "child").count();
    // The loop may take a moment, in which a token or two come back.
    assert!((5..=7).contains(&roots), "{roots}");
    assert_eq!(roots, children);
}

/// Serves requests with this sampler: from a near client, from a far one and from nobody
/// knows whom, each with a parent that is sampled and one that is not. Then a job with a
/// parent. Gives the names of the spans that were kept, and what was said of it.
fn served(
    test: &str,
    variables: &[(&'static str, &str)],
    rate_limited: Option<f64>,
) -> (Vec<String>, Vec<String>) {
    let (receiver, outcome) = received_by(test, "grpc", variables, || {
        let mut builder = throughline::builder("inbound");
        if let Some(rate) = rate_limited {
            builder = builder.sampler(throughline::sampling::RateLimited::per_second(rate));
        }
        let telemetry = builder.init().unwrap();
        for sampled in [true, false] {
            let spans = [
                info_span!(
                    "near",
                    otel.kind = "server",
                    client.address = "10.0.0.7",
                    sampled
                ),
                info_span!(
                    "far",
                    otel.kind = "server",
                    client.address = "203.0.113.9",
                    sampled
                ),
                info_span!("unknown", otel.kind = "server", sampled),
                info_span!(
                    "late",
                    otel.kind = "server",
                    client.address = tracing::field::Empty,
                    sampled
                ),
                info_span!("job", otel.kind = "consumer", sampled),
            ];
            for span in spans {
                span.set_parent(remote(sampled)).unwrap();
                span.in_scope(|| {
                    span.record("client.address", "10.0.0.7");
                    let local = info_span!("local", otel.kind = "client");
                    local.in_scope(|| info!("calling"));
                });
            }
        }
        assert!(telemetry.shutdown().is_lossless());
    });
    for log in receiver.logs() {
        assert_eq!(
            log.trace_id(),
            Some(TraceId::from(0xabc)),
            "kept in any case"
        );
    }
    let spans = receiver.spans();
    let mut names = Vec::new();
    for span in &spans {
        assert_eq!(span.trace_id(), TraceId::from(0xabc));
        if span.name == "local" {
            assert!(
                spans
                    .iter()
                    .any(|it| Some(it.span_id()) == span.parent_span_id())
            );
        } else {
            assert_eq!(span.parent_span_id(), Some(SpanId::from(0xdef)));
            let sampled = crate::support::text(span.attribute("sampled"));
            names.push(format!("{} {sampled}", span.name));
        }
    }
    assert_eq!(spans.len(), 2 * names.len(), "local children follow");
    names.sort();
    let said = outcome.diagnostics();
    let said = said.iter().filter(|line| line.contains("unknown peer"));
    (names, said.map(|line| (*line).to_owned()).collect())
}

#[test]
fn a_flag_from_outside_decides_only_where_its_sender_is_trusted() {
    let test = "a_flag_from_outside_decides_only_where_its_sender_is_trusted";
    let off = ("OTEL_TRACES_SAMPLER", "parentbased_always_off");
    let (kept, said) = served(test, &[off], None);
    assert_eq!(kept, ["job true", "near true"]);
    assert_eq!(said.len(), 1, "once: {said:?}");
    assert!(said[0].contains("record `client.address`"), "{said:?}");
    assert!(said[0].contains("THROUGHLINE_TRUST_INBOUND"), "{said:?}");
}

#[test]
fn by_default_no_stranger_keeps_a_trace_out() {
    let (kept, said) = served("by_default_no_stranger_keeps_a_trace_out", &[], None);
    let expected = [
        "far false",
        "far true",
        "job true",
        "late false",
        "late true",
        "near true",
        "unknown false",
        "unknown true",
    ];
    assert_eq!(kept, expected);
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn trust_can_be_given_to_all_and_to_none() {
    let test = "trust_can_be_given_to_all_and_to_none";
    let off = ("OTEL_TRACES_SAMPLER", "parentbased_always_off");
    let every = [
        "far true",
        "job true",
        "late true",
        "near true",
        "unknown true",
    ];
    for (trust, expected) in [("all", &every[..]), ("none", &[])] {
        let trust = ("THROUGHLINE_TRUST_INBOUND", trust);
        let (kept, said) = served(test, &[off, trust], None);
        assert_eq!(kept, expected);
        assert_eq!(said, [""; 0]);
    }
}

#[test]
fn a_rate_limit_does_not_take_a_stranger_s_word_either() {
    let test = "a_rate_limit_does_not_take_a_stranger_s_word_either";
    let (kept, _) = served(test, &[], Some(0.0));
    assert_eq!(kept, ["job true", "near true"]);
}
