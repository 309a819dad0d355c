//! The parsers of outside input, for the fuzzer (`cargo xtask fuzz`). Each target states what
//! must hold whatever comes in, beside that nothing panics. What only a parser's own module can
//! see is asserted there.
//!
//! It is built with the features that `fuzz/Cargo.toml` names.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;

use crate::correlation::{Correlation, PROMOTED, from_baggage, is_id};
use crate::event::escape::{is_unsafe, one_line, push_json};
use crate::http::fuzzing::{
    attacks, call_status_received, call_status_sent, forwarded, friends, full_url, redacted_query,
    request_ids, strangers,
};
use crate::redaction::{REPLACEMENT, Redaction, Redactor};
use crate::settings::{Env, PropagatorName, Settings, VARIABLES};
use crate::{
    database, export, filter, health, jobs, metrics, propagation, redaction as rules, resource,
    sentry,
};

/// Each by the name of the folder of its seeds.
pub const TARGETS: &[(&str, fn(&[u8]))] = &[
    ("answers", answers),
    ("attacks", attacks),
    ("baggage", baggage),
    ("containers", containers),
    ("environment", environment),
    ("filter", directives),
    ("forwarded", forwarded),
    ("friends", friends),
    ("header_values", header_values),
    ("lines", lines),
    ("messages", jobs::fuzz_messages),
    ("propagation", headers),
    ("queries", queries),
    ("rate_limits", rate_limits),
    ("redaction", redaction),
    ("request_ids", request_ids),
    ("statements", database::fuzz_statements),
    ("strangers", strangers),
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
pub(crate) fn header_map(data: &[u8]) -> HeaderMap {
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
            if name == PropagatorName::TraceContext {
                let trace = context.span().span_context().trace_id().to_string();
                assert!(carrier["traceparent"].contains(&trace), "{carrier:?}");
            }
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

/// Each line is a `baggage` header: who a request is about is an id and no secret, and the
/// next service is told no more than what may be sent.
fn baggage(data: &[u8]) {
    static FIRST: LazyLock<()> =
        LazyLock::new(|| propagation::install(&propagation::DEFAULT, redactor()));
    *FIRST;
    let carrier: HashMap<String, String> = HashMap::from([(
        "baggage".to_owned(),
        String::from_utf8_lossy(data).into_owned(),
    )]);
    let propagator = propagation::propagator(&[PropagatorName::Baggage], redactor());
    let received = propagator.extract_with_context(&Context::new(), &carrier);
    let context = from_baggage(&received);
    let Some(told) = context.get::<Correlation>() else {
        return;
    };
    for (name, value) in PROMOTED.into_iter().zip(told.values()) {
        let Some(value) = value else { continue };
        assert!(is_id(&value) && value.len() <= 256, "{value:?}");
        assert!(!value.contains(REPLACEMENT), "{value:?}");
        assert_eq!(rules::known_value(name, &value), value);
    }
    let mut sent = HeaderMap::new();
    propagation::inject(&context, &mut sent);
    for (name, value) in &sent {
        assert!(value.len() <= 8_192, "{name}: {}", value.len());
    }
    let back: HashMap<String, String> = sent
        .get("baggage")
        .and_then(|value| Some(("baggage".to_owned(), value.to_str().ok()?.to_owned())))
        .into_iter()
        .collect();
    let back = from_baggage(&propagator.extract_with_context(&Context::new(), &back));
    let back = back.get::<Correlation>().map(Correlation::values);
    for (told, back) in told.values().iter().zip(back.unwrap_or_default()) {
        let told = told.as_ref().map(|told| told.trim());
        assert_eq!(told, back.as_deref(), "{carrier:?} {sent:?}");
    }
}

/// Names of parameters whose values nobody may see.
const SECRET_PARAMETERS: [&str; 9] = [
    "password",
    "token",
    "api_key",
    "access_token",
    "user[password]",
    "sig",
    "Signature",
    "AWSAccessKeyId",
    "X-Goog-Signature",
];

/// A query with a secret in it, in the parameter that the first byte chooses, of which the
/// bits of the second encode the letters, or in the text of one that is none: it is told in
/// neither of the forms that an address has.
fn queries(data: &[u8]) {
    const SECRET: &str = "hunter2zqjxzqhunter2";
    let [first, bits, rest @ ..] = data else {
        return;
    };
    let rest = String::from_utf8_lossy(rest);
    let (before, after) = rest.split_once('\n').unwrap_or((&rest, ""));
    if rest.contains(SECRET) || rest.contains('#') {
        return;
    }
    let encoded = |text: &str| -> String {
        let letters = text.bytes().enumerate();
        letters
            .map(|(at, byte)| match byte {
                byte if byte.is_ascii_graphic() && bits & 1 << (at % 8) == 0 => {
                    char::from(byte).to_string()
                }
                byte if at % 2 == 0 => format!("%{byte:02X}"),
                byte => format!("%{byte:02x}"),
            })
            .collect()
    };
    let parameter = match SECRET_PARAMETERS.get(usize::from(*first) % 12) {
        Some(name) => format!("{}={SECRET}", encoded(name)),
        None if *first % 12 == 9 => format!("note=Bearer+{SECRET}"),
        None if *first % 12 == 10 => format!("note={}{SECRET}", encoded("Bearer ")),
        None => format!("next=https%3A%2F%2Fada%3A{SECRET}%40shop.example"),
    };
    let query = format!("{before}&{parameter}&{after}");
    let Ok(uri) = Uri::try_from(format!("https://shop.example/orders?{query}")) else {
        return;
    };
    let full = full_url(&uri);
    let (_, of_full) = full.split_once('?').expect("the query");
    for told in [&*redacted_query(&query), of_full] {
        assert!(!told.contains(SECRET), "{told:?} of {query:?}");
        let parameters = |query: &str| query.split('&').count();
        assert_eq!(
            parameters(told),
            parameters(&query),
            "{told:?} of {query:?}"
        );
    }
}

/// Small things in headers: a token, what a scraper takes, how a call ended.
fn header_values(data: &[u8]) {
    const TOKEN: &str = "a-long-enough-token";
    let headers = header_map(data);
    if health::is_token_given(&headers, TOKEN) {
        let given: Vec<_> = headers.get_all(header::AUTHORIZATION).iter().collect();
        let [given] = given[..] else {
            panic!("{given:?}")
        };
        let given = given.to_str().expect("a token is").trim();
        let (scheme, token) = given.split_once(' ').expect("a scheme");
        assert!(scheme.eq_ignore_ascii_case("bearer") && token.trim() == TOKEN);
    }
    if let Some(Ok(accept)) = headers.get(header::ACCEPT).map(HeaderValue::to_str)
        && metrics::is_protobuf_preferred(accept)
    {
        assert!(accept.contains("application/vnd.google.protobuf"));
    }
    call_status_received(&headers);
    call_status_sent(&headers);
}
