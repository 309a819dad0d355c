//! The parsers of outside input, for the fuzzer (`cargo xtask fuzz`). Each target states what
//! must hold whatever comes in, beside that nothing panics.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;

use crate::event::escape::{is_unsafe, one_line, push_json};
use crate::redaction::{Redaction, Redactor};
use crate::settings::{Env, PropagatorName, Settings, VARIABLES};
use crate::{export, filter, propagation, resource, sentry};

/// Each by the name of the folder of its seeds.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("answers", answers),
    ("containers", containers),
    ("environment", environment),
    ("filter", directives),
    ("lines", lines),
    ("propagation", headers),
    ("rate_limits", rate_limits),
    ("redaction", redaction),
];

fn redactor() -> &'static Arc<Redactor> {
    static ALL: LazyLock<Arc<Redactor>> = LazyLock::new(|| {
        let rules = Redaction::default().emails(true).ip_addresses(true);
        Arc::new(rules.redactor().expect("rules without a pattern"))
    });
    &ALL
}

/// A text is as free of secrets after one look as after two.
fn redaction(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let once = redactor().text(&text);
    let again = redactor().text(&once);
    assert!(
        matches!(again, Cow::Borrowed(_)),
        "{text:?} became {once:?}, and that {again:?}"
    );
}

/// Whatever a record says is one line, and JSON reads back what was said.
fn lines(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut line = Vec::new();
    push_json(&mut line, &text);
    let written = std::str::from_utf8(&line).expect("text");
    assert!(!written.chars().any(is_unsafe), "{written:?}");
    let read: String = serde_json::from_str(written).expect("JSON");
    assert_eq!(read, text);
    assert!(!one_line(&text).chars().any(is_unsafe));
}

/// `name: value` a line, as far as HTTP lets it in.
fn header_map(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

/// What is taken for a trace is one, and is handed on as the same.
fn headers(data: &[u8]) {
    const NAMES: [PropagatorName; 5] = [
        PropagatorName::TraceContext,
        PropagatorName::Baggage,
        PropagatorName::B3,
        PropagatorName::B3Multi,
        PropagatorName::XRay,
    ];
    let carrier: HashMap<String, String> = header_map(data)
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    for name in NAMES {
        let propagator = propagation::propagator(&[name], redactor());
        let context = propagator.extract_with_context(&Context::new(), &carrier);
        let mut sent: HashMap<String, String> = HashMap::new();
        propagator.inject_context(&context, &mut sent);
        let back = propagator.extract_with_context(&Context::new(), &sent);
        let ids = |context: &Context| {
            let span = context.span();
            let ids = span.span_context();
            (ids.trace_id(), ids.span_id(), ids.is_sampled())
        };
        if context.span().span_context().is_valid() {
            assert_eq!(
                ids(&context),
                ids(&back),
                "{name} from {carrier:?} by {sent:?}"
            );
        }
    }
}

/// Answers of receivers, by either protocol.
fn answers(data: &[u8]) {
    let Some((first, rest)) = data.split_first_chunk::<2>() else {
        return;
    };
    let (head, body) = match rest.windows(2).position(|pair| pair == b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (&[][..], rest),
    };
    let code = u16::from_be_bytes(*first);
    let status = StatusCode::from_u16(100 + code % 500).unwrap_or(StatusCode::OK);
    export::fuzz_answers(status, &header_map(head), u32::from(code), head, body);
}

/// What Sentry says of its limits.
fn rate_limits(data: &[u8]) {
    let mut limits = sentry::RateLimits::default();
    let now = Instant::now();
    for (turn, head) in data.split(|byte| *byte == 0).enumerate() {
        let status = if turn % 2 == 0 { 429 } else { 200 };
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        limits.learn(status, &header_map(head), now);
    }
    assert!(limits.is_bounded(now));
}

/// Every variable may hold anything: an error, a warning or a setting comes of it.
fn environment(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut values = HashMap::new();
    for line in text.lines() {
        let Some((number, value)) = line.split_once('=') else {
            continue;
        };
        let variable = match number.parse::<usize>() {
            Ok(number) => VARIABLES[number % VARIABLES.len()].name,
            Err(_) => number,
        };
        // Files of the machine are not the fuzzer's to read.
        if !variable.contains("CERTIFICATE") && !variable.contains("CLIENT_KEY") {
            values.insert(variable.to_owned(), value.to_owned());
        }
    }
    let lookup = |name: &str| values.get(name).cloned();
    let _ = Settings::read(&Env::new(&lookup));
}

/// Directives of the live filter: refused, or in force as they were given.
fn directives(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = filter::live_filter(&text);
}

/// What is taken for a container's id is one.
fn containers(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (cgroup, mountinfo) = text.split_once('\0').unwrap_or((&text, &text));
    if let Some(id) = resource::container_id(cgroup, mountinfo) {
        assert!(id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
}
