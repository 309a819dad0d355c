//! Script and markup in everything that a stranger can name, and what a browser makes of the
//! pages that show it.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
};

use html5ever::{
    buffer_queue::BufferQueue,
    tendril::StrTendril,
    tokenizer::{
        Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts, states::RawKind,
    },
};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{InstrumentationScope, KeyValue},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
        ScopeMetrics, Sum, exemplar, metric::Data, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span, Status,
        span::{Event, Link},
    },
};
use prost::Message;
use serde_json::json;

use crate::{
    dev::{Dev, folder},
    http::{Answer, get, post, send},
    otlp::{attribute, now, text},
};

/// Ends whatever it may stand in, and then is an element, an attribute and a script.
const EVIL: &str =
    r#"</script></style></title></textarea>-->]]>'"><x-injected onx-injected=injected() src=x>"#;
const LINK: &str = "javascript:injected()";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Enough to see one page of each kind many times over.
const PAGES: usize = 200;

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: attributes("service.name"),
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: EVIL.into(),
        version: EVIL.into(),
        attributes: attributes("scope"),
        ..InstrumentationScope::default()
    })
}

/// Every name that a page treats as something of its own, with evil for a value, and evil names.
fn attributes(first: &str) -> Vec<KeyValue> {
    [
        first,
        "service.version",
        "http.route",
        "url.full",
        "url.path",
        "http.request.method",
        "user.id",
        "enduser.id",
        "client.address",
        "request.id",
        "session.id",
        "db.query.text",
        "exception.type",
        "exception.message",
        "exception.stacktrace",
        "event.name",
        "attack.kind",
        EVIL,
    ]
    .into_iter()
    .map(|key| attribute(key, EVIL))
    .chain([attribute("link", LINK), attribute(LINK, LINK)])
    .collect()
}

fn spans() -> Vec<u8> {
    let span = |id: u64, parent: u64, name: &str| Span {
        trace_id: 7_u128.to_be_bytes().to_vec(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: parent.to_be_bytes().to_vec(),
        trace_state: EVIL.into(),
        name: name.into(),
        kind: 2,
        start_time_unix_nano: now() - 500_000_000,
        end_time_unix_nano: now() - 100_000_000,
        attributes: attributes("span"),
        events: vec![
            Event {
                time_unix_nano: now() - 300_000_000,
                name: EVIL.into(),
                attributes: attributes("event"),
                ..Event::default()
            },
            Event {
                time_unix_nano: now() - 300_000_000,
                name: "exception".into(),
                attributes: attributes("event"),
                ..Event::default()
            },
        ],
        links: vec![Link {
            trace_id: 8_u128.to_be_bytes().to_vec(),
            span_id: 9_u64.to_be_bytes().to_vec(),
            trace_state: EVIL.into(),
            attributes: attributes("link"),
            ..Link::default()
        }],
        status: Some(Status {
            code: 2,
            message: EVIL.into(),
        }),
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans {
                scope: scope(),
                spans: vec![span(1, 0, EVIL), span(2, 1, LINK), span(3, 1, "GET")],
                schema_url: LINK.into(),
            }],
            schema_url: LINK.into(),
        }],
    }
    .encode_to_vec()
}

fn records() -> Vec<u8> {
    let record = |stream: &str, severity| {
        let mut attributes = attributes("record");
        attributes.push(attribute("log.category", stream));
        LogRecord {
            time_unix_nano: now(),
            severity_number: severity,
            severity_text: EVIL.into(),
            body: Some(text(EVIL)),
            attributes,
            trace_id: 7_u128.to_be_bytes().to_vec(),
            span_id: 1_u64.to_be_bytes().to_vec(),
            event_name: EVIL.into(),
            ..LogRecord::default()
        }
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                scope: scope(),
                log_records: ["security", "audit", "business", "analytics", "access", EVIL]
                    .into_iter()
                    .flat_map(|stream| [record(stream, 9), record(stream, 17)])
                    .collect(),
                schema_url: LINK.into(),
            }],
            schema_url: LINK.into(),
        }],
    }
    .encode_to_vec()
}

fn metrics() -> Vec<u8> {
    let exemplars = vec![Exemplar {
        filtered_attributes: attributes("exemplar"),
        time_unix_nano: now(),
        trace_id: 7_u128.to_be_bytes().to_vec(),
        span_id: 1_u64.to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(1.0)),
    }];
    let number = NumberDataPoint {
        attributes: attributes("label"),
        time_unix_nano: now(),
        value: Some(number_data_point::Value::AsDouble(1.0)),
        exemplars: exemplars.clone(),
        ..NumberDataPoint::default()
    };
    let metric = |name: &str, data| Metric {
        name: name.into(),
        description: EVIL.into(),
        unit: EVIL.into(),
        data: Some(data),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource(),
            scope_metrics: vec![ScopeMetrics {
                scope: scope(),
                metrics: vec![
                    metric(
                        EVIL,
                        Data::Gauge(Gauge {
                            data_points: vec![number.clone()],
                        }),
                    ),
                    metric(
                        LINK,
                        Data::Sum(Sum {
                            data_points: vec![number],
                            aggregation_temporality: 2,
                            is_monotonic: true,
                        }),
                    ),
                    metric(
                        "latency",
                        Data::Histogram(Histogram {
                            data_points: vec![HistogramDataPoint {
                                attributes: attributes("label"),
                                time_unix_nano: now(),
                                count: 3,
                                sum: Some(3.0),
                                bucket_counts: vec![1, 1, 1],
                                explicit_bounds: vec![1.0, 2.0],
                                exemplars,
                                ..HistogramDataPoint::default()
                            }],
                            aggregation_temporality: 2,
                        }),
                    ),
                ],
                schema_url: LINK.into(),
            }],
            schema_url: LINK.into(),
        }],
    }
    .encode_to_vec()
}

/// A Sentry event with evil in every text.
fn envelope() -> Vec<u8> {
    let frame = json!({
        "function": EVIL, "module": EVIL, "filename": EVIL, "abs_path": LINK, "lineno": 3,
        "context_line": EVIL, "pre_context": [EVIL], "post_context": [EVIL], "in_app": true,
        "vars": { EVIL: EVIL },
    });
    let event = json!({
        "event_id": "0123456789abcdef0123456789abcdef",
        "level": "error", "platform": EVIL, "logger": EVIL, "transaction": EVIL,
        "server_name": EVIL, "release": EVIL, "environment": EVIL, "message": EVIL,
        "culprit": EVIL, "fingerprint": [EVIL],
        "logentry": { "message": EVIL, "formatted": EVIL, "params": [EVIL] },
        "exception": { "values": [{
            "type": EVIL, "value": EVIL, "module": EVIL,
            "mechanism": { "type": EVIL, "handled": false, "data": { EVIL: EVIL } },
            "stacktrace": { "frames": [frame] },
        }] },
        "breadcrumbs": { "values": [{
            "type": EVIL, "category": EVIL, "message": EVIL, "level": EVIL,
            "timestamp": 1_750_000_000, "data": { EVIL: EVIL, "url": LINK },
        }] },
        "user": { "id": EVIL, "username": EVIL, "email": EVIL, "ip_address": EVIL, EVIL: EVIL },
        "request": { "url": LINK, "method": EVIL, "query_string": EVIL, "headers": { EVIL: EVIL },
            "cookies": EVIL, "data": { EVIL: EVIL } },
        "tags": { EVIL: EVIL }, "extra": { EVIL: EVIL },
        "contexts": { EVIL: { EVIL: EVIL }, "trace": {
            "trace_id": "00000000000000000000000000000007", "span_id": "0000000000000001",
            "op": EVIL, "status": EVIL } },
        "sdk": { "name": EVIL, "version": EVIL }, "modules": { EVIL: EVIL },
    });
    format!("{{}}\n{{\"type\":\"event\"}}\n{event}\n").into_bytes()
}

/// What a browser's tokenizer finds in a page.
#[derive(Default)]
struct Found {
    tags: RefCell<Vec<Tag>>,
    scripts: RefCell<String>,
    in_script: RefCell<bool>,
}

impl TokenSink for Found {
    type Handle = ();

    fn process_token(&self, token: Token, _: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => {
                let raw = match (&tag.kind, &*tag.name) {
                    (TagKind::StartTag, "script") => Some(RawKind::ScriptData),
                    (TagKind::StartTag, "style") => Some(RawKind::Rawtext),
                    (TagKind::StartTag, "title" | "textarea") => Some(RawKind::Rcdata),
                    _ => None,
                };
                *self.in_script.borrow_mut() = raw == Some(RawKind::ScriptData);
                if tag.kind == TagKind::StartTag {
                    self.tags.borrow_mut().push(tag);
                }
                if let Some(raw) = raw {
                    return TokenSinkResult::RawData(raw);
                }
            }
            Token::CharacterTokens(text) if *self.in_script.borrow() => {
                self.scripts.borrow_mut().push_str(&text);
            }
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// Asserts that nothing of a page is anybody's but ours, and returns where it links to.
fn harmless(address: &str, answer: &Answer) -> Vec<String> {
    assert_eq!(
        answer.header("content-security-policy"),
        Some(POLICY),
        "{address}"
    );
    assert_eq!(
        answer.header("x-content-type-options"),
        Some("nosniff"),
        "{address}"
    );
    let kind = answer.header("content-type").unwrap_or_default();
    if !kind.starts_with("text/html") {
        return Vec::new();
    }
    let tokenizer = Tokenizer::new(Found::default(), TokenizerOpts::default());
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(answer.text()));
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    let found = tokenizer.sink;
    assert_eq!(*found.scripts.borrow(), "", "{address}: an inline script");
    let mut links = Vec::new();
    for tag in &*found.tags.borrow() {
        let name = &*tag.name;
        assert!(
            !["x-injected", "style", "iframe", "object", "embed", "base"].contains(&name),
            "{address}: <{name}>"
        );
        for attribute in &tag.attrs {
            let (key, value) = (&*attribute.name.local, &*attribute.value);
            let at = format!("{address}: <{name} {key}={value:?}>");
            assert!(
                !key.starts_with("on") && key != "style" && key != "srcdoc",
                "{at}"
            );
            assert!(!key.contains("injected"), "{at}");
            assert!(!(name == "meta" && key == "http-equiv"), "{at}");
            if ["href", "src", "action", "formaction", "xlink:href", "data"].contains(&key) {
                let own = value.starts_with('/') && !value.starts_with("//");
                assert!(
                    own || value.starts_with(['#', '?'])
                        || (name == "a" && value.starts_with("https://")),
                    "{at}"
                );
                if name == "script" {
                    assert!(value.starts_with("/assets/"), "{at}");
                }
                if name == "a" && own {
                    links.push(value.to_owned());
                }
            }
        }
    }
    links
}

#[test]
fn markup_in_every_field_is_text_on_every_page() {
    let folder = folder();
    let dev = Dev::start(folder.path(), &[]);
    for (path, request) in [
        ("/v1/traces", spans()),
        ("/v1/logs", records()),
        ("/v1/metrics", metrics()),
    ] {
        let answer = post(dev.http, path, &request);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    }
    let answer = send(dev.page, "POST", "/api/1/envelope/", &[], &envelope());
    assert_eq!(answer.status, 200, "{}", answer.text());

    let evil: String = url::form_urlencoded::byte_serialize(EVIL.as_bytes()).collect();
    let mut waiting: VecDeque<String> = [
        "/",
        "/traces",
        "/logs",
        "/metrics",
        "/errors",
        "/security",
        "/audit",
        "/business",
        "/analytics",
        "/users",
        "/health",
        "/nowhere",
        "/assets/nothing",
        "/logs/1",
        "/readyz",
    ]
    .map(str::to_owned)
    .into();
    waiting.push_back(format!("/traces/{:032x}", 7));
    waiting.push_back(format!("/compare?a={0:032x}&b={0:032x}", 7));
    waiting.push_back(format!("/metrics/{evil}"));
    waiting.push_back(format!("/{evil}"));
    waiting.push_back(format!("/traces/{evil}"));
    for (path, keys) in [
        ("/", "service since"),
        (
            "/traces",
            "service route status min max q user request since",
        ),
        ("/logs", "stream level q service trace since"),
        ("/metrics", "service q"),
        ("/errors", "status"),
        ("/users", "q user address"),
        ("/compare", "a b"),
    ] {
        for key in keys.split(' ') {
            waiting.push_back(format!("{path}?{key}={evil}"));
        }
    }
    let mut seen = BTreeSet::new();
    let mut shown = BTreeSet::new();
    while let Some(address) = waiting.pop_front() {
        if seen.len() == PAGES || !seen.insert(address.clone()) {
            continue;
        }
        let answer = get(dev.page, &address);
        assert_ne!(answer.status, 500, "{address}: {}", answer.text());
        for link in harmless(&address, &answer) {
            waiting.push_back(link);
        }
        if answer.status == 200 && answer.text().contains("&lt;x-injected") {
            shown.insert(
                address
                    .split(['?', '/'])
                    .nth(1)
                    .unwrap_or_default()
                    .to_owned(),
            );
        }
    }
    // Else nothing was tested.
    assert!(seen.len() > 40, "{seen:?}");
    for page in SHOWING {
        assert!(shown.contains(*page), "{page} is not among {shown:?}");
    }
}

/// Pages that have to show it, escaped.
const SHOWING: &[&str] = &[
    "",
    "analytics",
    "audit",
    "business",
    "compare",
    "errors",
    "health",
    "logs",
    "metrics",
    "security",
    "traces",
    "users",
];
