//! The span of a request, by the conventions:
//! <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>.

use opentelemetry::trace::{Status, TraceContextExt};
use opentelemetry::{Context, KeyValue};
use tracing::Span;

use super::TARGET;
use super::exchange::Outcome;
use super::facts::Facts;
use super::grpc;
use super::method::OTHER;

/// In the context of its parent, which has to be the current one.
pub(super) fn kept(facts: &Facts) -> Span {
    if facts.is_call {
        call(facts)
    } else {
        request(facts)
    }
}

fn request(facts: &Facts) -> Span {
    let server = facts.server();
    let (address, port) = match &server {
        Some((address, port)) => (Some(address.as_str()), *port),
        None => (None, None),
    };
    let peer = facts.caller.peer;
    tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = &*facts.name(),
        otel.kind = "server",
        http.request.method = facts.method.name,
        http.request.method_original = facts.method.is_other().then(|| facts.original.as_str()),
        http.route = facts.route(),
        url.path = facts.path(),
        url.query = facts.query().as_deref(),
        url.scheme = facts.scheme(),
        server.address = address,
        server.port = port.map(i64::from),
        client.address = facts.client().map(display),
        network.peer.address = peer.map(|peer| display(peer.ip().to_canonical())),
        network.peer.port = peer.map(|peer| i64::from(peer.port())),
        network.protocol.version = facts.protocol_version(),
        user_agent.original = facts.user_agent().as_deref(),
        http.request.body.size = facts.request_size.and_then(|size| i64::try_from(size).ok()),
    )
}

fn call(facts: &Facts) -> Span {
    let server = facts.server();
    let (address, port) = match &server {
        Some((address, port)) => (Some(address.as_str()), *port),
        None => (None, None),
    };
    let peer = facts.caller.peer;
    tracing::info_span!(
        target: TARGET,
        "request",
        otel.name = &*facts.name(),
        otel.kind = "server",
        rpc.system.name = grpc::SYSTEM,
        server.address = address,
        server.port = port.map(i64::from),
        client.address = facts.client().map(display),
        network.peer.address = peer.map(|peer| display(peer.ip().to_canonical())),
        network.peer.port = peer.map(|peer| i64::from(peer.port())),
        network.protocol.name = "http",
        network.protocol.version = facts.protocol_version(),
        network.transport = "tcp",
    )
}

/// A span that nobody keeps, which carries its context and the name on records.
pub(super) fn skipped() -> Span {
    tracing::info_span!(target: TARGET, "request")
}

/// What is known at the end, on the current span.
pub(super) fn end(outcome: &Outcome<'_>) {
    Context::map_current(|context| {
        let span = context.span();
        if !span.is_recording() {
            return;
        }
        let put = |key: &'static str, value: opentelemetry::Value| {
            span.set_attribute(KeyValue::new(key, value));
        };
        match outcome.code {
            Some(code) => {
                put("rpc.response.status_code", code.name().into());
                // Not before: an attribute that is set twice is there twice.
                let method = outcome.call().unwrap_or(OTHER);
                put("rpc.method", method.to_owned().into());
                if method == OTHER {
                    // Nobody knows it, and a client can think of many.
                    span.update_name(grpc::SYSTEM);
                    let original = outcome.facts.path().trim_start_matches('/');
                    put("rpc.method_original", original.to_owned().into());
                }
            }
            None => {
                if let Some(status) = outcome.status {
                    let status = i64::from(status.as_u16());
                    put("http.response.status_code", status.into());
                }
                if let Some(size) = outcome.response_size.and_then(|it| i64::try_from(it).ok()) {
                    put("http.response.body.size", size.into());
                }
            }
        }
        if let Some(error) = outcome.error {
            put("error.type", error.to_owned().into());
        }
        if outcome.failed {
            // An error that was told before has said more.
            span.set_status(Status::error(""));
        }
    });
}
