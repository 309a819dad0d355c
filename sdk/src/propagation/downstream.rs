//! What a request takes along to a host that may know: the trace, the baggage, and who the
//! request is about.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Injector;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, global};

use super::BaggageHeader;
use crate::correlation::{Correlation, PROMOTED, Promoted, Values, is_id};
use crate::redaction::REPLACEMENT;

const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts all of it into the headers, by the installed propagators. What they hold of another
/// trace is replaced: a `tracestate` of one and a `traceparent` of the other would be neither.
pub(crate) fn inject(context: &Context, headers: &mut HeaderMap) {
    let replaces = context.span().span_context().is_valid();
    let mut by_baggage = false;
    global::get_text_map_propagator(|propagator| {
        for field in propagator.fields() {
            by_baggage |= field == BAGGAGE.as_str();
            if replaces {
                headers.remove(field);
            }
        }
        propagator.inject_context(context, &mut Headers(headers));
    });
    let Some(correlation) = context.get::<Correlation>() else {
        return;
    };
    let known = correlation
        .values()
        .map(|value| value.filter(|value| may_leave(value)));
    if let Some(request) = &known[Promoted::Request as usize]
        && let Ok(request) = HeaderValue::from_str(request)
    {
        headers.insert(REQUEST_ID, request);
    }
    if by_baggage && known.iter().any(Option::is_some) {
        add_to_baggage(headers, &known);
    }
}

/// A value that was redacted says nothing, and one that the next service would not take up
/// only costs its room.
fn may_leave(value: &str) -> bool {
    is_id(value) && !value.contains(REPLACEMENT)
}

/// What is known here goes before what the baggage of the caller says by the same name.
fn add_to_baggage(headers: &mut HeaderMap, known: &Values) {
    let mut header = BaggageHeader::default();
    for (name, value) in PROMOTED.into_iter().zip(known) {
        if let Some(value) = value {
            header.push(name, value, "");
        }
    }
    let before = headers.get(BAGGAGE).and_then(|value| value.to_str().ok());
    for entry in before.unwrap_or_default().split(',') {
        let key = entry.split(['=', ';']).next().unwrap_or_default().trim();
        let said = PROMOTED.iter().position(|name| *name == key);
        if said.is_none_or(|index| known[index].is_none()) {
            header.push_encoded(entry);
        }
    }
    if let Some(value) = header.finish()
        && let Ok(value) = HeaderValue::try_from(value)
    {
        headers.insert(BAGGAGE, value);
    }
}

/// Headers as the propagators want them. A name that is known costs no allocation, and a value
/// that cannot be a header's is left out.
struct Headers<'a>(&'a mut HeaderMap);

impl Injector for Headers<'_> {
    fn set(&mut self, key: &str, value: String) {
        // The trace context's propagator also writes a `tracestate` that is empty.
        if value.is_empty() {
            return;
        }
        if let (Some(name), Ok(value)) = (header_name(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

fn header_name(key: &str) -> Option<HeaderName> {
    Some(match key {
        "traceparent" => const { HeaderName::from_static("traceparent") },
        "tracestate" => const { HeaderName::from_static("tracestate") },
        "baggage" => BAGGAGE,
        "b3" => const { HeaderName::from_static("b3") },
        other => HeaderName::from_bytes(other.as_bytes()).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn values(named: &[(Promoted, &str)]) -> Values {
        let mut values = Values::default();
        for (which, value) in named {
            values[*which as usize] = Some(Arc::from(*value));
        }
        values
    }

    fn baggage(before: Option<&str>, known: &[(Promoted, &str)]) -> String {
        let mut headers = HeaderMap::new();
        if let Some(before) = before {
            headers.insert(BAGGAGE, HeaderValue::from_str(before).unwrap());
        }
        add_to_baggage(&mut headers, &values(known));
        headers[BAGGAGE].to_str().unwrap().to_owned()
    }

    #[test]
    fn what_is_known_here_replaces_what_the_caller_said_and_the_rest_stays() {
        let known = [
            (Promoted::User, "ada, the first"),
            (Promoted::Tenant, "blue"),
        ];
        assert_eq!(
            baggage(Some("shop=7;ttl=1, user.id=bob ,session.id=s-1"), &known),
            "user.id=ada%2C%20the%20first,tenant.id=blue,shop=7;ttl=1,session.id=s-1"
        );
        assert_eq!(baggage(None, &known[1..]), "tenant.id=blue");
    }

    #[test]
    fn what_was_redacted_or_is_no_id_stays_here() {
        for no in [
            "[redacted]",
            "a [redacted] b",
            "",
            "line\nbreak",
            &"x".repeat(257),
        ] {
            assert!(!may_leave(no), "{no}");
        }
        assert!(may_leave("ada@example.com") && may_leave(&"x".repeat(256)));
    }

    #[test]
    fn an_empty_value_and_one_with_a_line_break_are_no_headers() {
        let mut headers = HeaderMap::new();
        let mut injector = Headers(&mut headers);
        injector.set("tracestate", String::new());
        injector.set("b3", "1\r\nx-evil: 1".to_owned());
        injector.set("not a name", "1".to_owned());
        injector.set("X-Amzn-Trace-Id", "Root=1".to_owned());
        assert_eq!(headers.len(), 1, "{headers:?}");
        assert_eq!(headers["x-amzn-trace-id"], "Root=1");
    }
}
