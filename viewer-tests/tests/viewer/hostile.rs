//! Text from outside that wants to be a program, in each field that there is: no page runs it.

use std::collections::{BTreeSet, VecDeque};

use serde_json::{Value, json};
use throughline_viewer_tests::{
    Browser, Dev,
    otlp::{self, Signal, any, nanoseconds},
};

const EVIL: &str = concat!(
    "<script>window.__pwned=1</script>",
    "\"'><img src=x onerror=\"window.__pwned=2\">",
    "</textarea></title></style><svg onload=\"window.__pwned=3\">",
    "{{ 7*7 }} ${window.__pwned=4} &lt;b&gt; \u{202e}",
);

/// What a link must not lead to.
const LINK: &str = "javascript:window.__pwned=5";

/// More pages than that say nothing new.
const PAGES: usize = 70;

/// Attributes under names that pages know, and under one that is hostile itself.
fn attributes(names: &[&str]) -> Value {
    let known = names
        .iter()
        .map(|name| json!({ "key": name, "value": any(&json!(EVIL)) }));
    let nested = json!({ EVIL: [EVIL, { EVIL: EVIL }] });
    known
        .chain([
            json!({ "key": EVIL, "value": any(&nested) }),
            json!({ "key": "url.full", "value": any(&json!(LINK)) }),
        ])
        .collect()
}

async fn send_otlp(dev: &Dev) {
    let endpoint = &dev.addresses().otlp_http;
    let resource = json!({ "attributes": attributes(&[
        "service.name", "service.version", "service.namespace", "deployment.environment.name", "host.name",
    ]) });
    let scope = json!({ "name": EVIL, "version": EVIL, "attributes": attributes(&[]) });
    let trace = "5b8efff798038103d269b633813fc60c";
    let mut root = otlp::span(
        trace,
        "00f067aa0ba902b7",
        "",
        EVIL,
        std::time::Duration::from_secs(5),
        std::time::Duration::from_millis(700),
    );
    root["traceState"] = json!(EVIL);
    root["status"] = json!({ "code": 2, "message": EVIL });
    root["attributes"] = attributes(&[
        "http.route",
        "http.request.method",
        "user.id",
        "request.id",
        "db.query.text",
        "server.address",
        "peer.service",
        "error.type",
        "client.address",
    ]);
    root["events"] = json!([
        { "timeUnixNano": root["startTimeUnixNano"], "name": EVIL, "attributes": attributes(&[]) },
        {
            "timeUnixNano": root["startTimeUnixNano"],
            "name": "exception",
            "attributes": attributes(&["exception.type", "exception.message", "exception.stacktrace"]),
        },
    ]);
    root["links"] = json!([{
        "traceId": trace, "spanId": "00f067aa0ba902b8", "traceState": EVIL, "attributes": attributes(&[]),
    }]);
    let spans = json!({ "resourceSpans": [{ "resource": resource, "schemaUrl": EVIL, "scopeSpans": [{
        "scope": scope, "schemaUrl": EVIL, "spans": [root],
    }] }] });
    otlp::post(endpoint, Signal::Traces, &spans).await.unwrap();

    let streams = ["security", "audit", "business", "analytics", "job", EVIL];
    let records: Value = streams
        .iter()
        .map(|stream| {
            let mut record = otlp::record("ERROR", EVIL, &json!({}));
            let mut all = attributes(&[
                "user.id",
                "client.address",
                "request.id",
                "exception.type",
                "exception.message",
                "exception.stacktrace",
                "http.route",
                "url.path",
                "code.function.name",
                "event.severity",
                "entity.type",
                "entity.id",
                "order.id",
                "user_agent.original",
            ]);
            if let Some(all) = all.as_array_mut() {
                all.push(json!({ "key": "log.category", "value": { "stringValue": stream } }));
            }
            record["attributes"] = all;
            record["severityText"] = json!(EVIL);
            record["eventName"] = json!(EVIL);
            record["traceId"] = json!(trace);
            record["spanId"] = json!("00f067aa0ba902b7");
            record
        })
        .collect();
    let logs = json!({ "resourceLogs": [{ "resource": resource, "scopeLogs": [{
        "scope": scope, "logRecords": records,
    }] }] });
    otlp::post(endpoint, Signal::Logs, &logs).await.unwrap();

    let now = nanoseconds(otlp::now());
    let point = json!({
        "attributes": attributes(&["http.route"]),
        "timeUnixNano": now,
        "startTimeUnixNano": now,
        "asDouble": 1.5,
        "exemplars": [{
            "timeUnixNano": now, "asDouble": 1.5, "traceId": trace, "spanId": "00f067aa0ba902b7",
            "filteredAttributes": attributes(&[]),
        }],
    });
    let metrics = json!({ "resourceMetrics": [{ "resource": resource, "scopeMetrics": [{
        "scope": scope,
        "metrics": [{
            "name": EVIL, "unit": EVIL, "description": EVIL, "gauge": { "dataPoints": [point] },
        }],
    }] }] });
    otlp::post(endpoint, Signal::Metrics, &metrics)
        .await
        .unwrap();
}

/// An event of Sentry's protocol in the older form, which needs no envelope.
async fn send_sentry(dev: &Dev) {
    let frame = json!({
        "function": EVIL, "module": EVIL, "filename": EVIL, "abs_path": LINK, "lineno": 7,
        "in_app": true, "pre_context": [EVIL], "context_line": EVIL, "post_context": [EVIL],
        "vars": { EVIL: EVIL },
    });
    let event = json!({
        "event_id": "fc6d8c0c43fc4630ad850ee518f1b9d0",
        "platform": EVIL,
        "level": "fatal",
        "logger": EVIL,
        "transaction": EVIL,
        "server_name": EVIL,
        "release": EVIL,
        "environment": EVIL,
        "tags": { EVIL: EVIL },
        "user": { "id": EVIL, "email": EVIL, "username": EVIL, "ip_address": EVIL },
        "request": { "url": LINK, "method": EVIL, "headers": { EVIL: EVIL }, "query_string": EVIL },
        "contexts": { "device": { EVIL: EVIL }, EVIL: { EVIL: EVIL } },
        "extra": { EVIL: [EVIL] },
        "breadcrumbs": { "values": [{
            "category": EVIL, "message": EVIL, "type": EVIL, "level": "warning", "data": { EVIL: EVIL },
        }] },
        "exception": { "values": [
            { "type": EVIL, "value": EVIL, "module": EVIL, "mechanism": { "type": EVIL, "handled": false },
              "stacktrace": { "frames": [frame] } },
        ] },
        "sdk": { "name": EVIL, "version": EVIL },
    });
    let url = dev.page("/api/1/store/?sentry_key=throughline&sentry_version=7");
    tokio::task::spawn_blocking(move || {
        ureq::post(&url)
            .content_type("application/json")
            .send(event.to_string())
            .unwrap();
    })
    .await
    .unwrap();
}

/// What there is in a page that only foreign text could have brought.
const TRACES: &str = "(() => [
    ...(window.__pwned === undefined ? [] : [`it ran: ${window.__pwned}`]),
    ...[...document.querySelectorAll('#content script, #content style, #content iframe, #content object')]
        .map(element => element.outerHTML.slice(0, 200)),
    ...[...document.querySelectorAll('*')].flatMap(element => [...element.attributes]
        .filter(({ name, value }) => name.startsWith('on') || name === 'style'
            || (['href', 'src', 'action'].includes(name) && /^\\s*(javascript|data):/i.test(value) && element.rel !== 'icon'))
        .map(({ name, value }) => `${element.tagName} ${name}=${value}`.slice(0, 200))),
])()";

#[tokio::test]
async fn hostile_text_in_every_field_is_text_on_every_page() {
    let dev = Dev::start(&["--memory"]).await.unwrap();
    send_otlp(&dev).await;
    send_sentry(&dev).await;
    let browser = Browser::start().await.unwrap();

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
    ]
    .map(str::to_owned)
    .into();
    browser.goto(&dev.page("/health")).await.unwrap();
    let encoded = browser
        .eval(&format!("encodeURIComponent({})", json!(EVIL)))
        .await
        .unwrap();
    let encoded = encoded.as_str().unwrap();
    for path in [
        "/logs?q=",
        "/traces?q=",
        "/traces?route=",
        "/errors?q=",
        "/users?q=",
        "/metrics?q=",
        "/logs?stream=",
        "/?service=",
        "/go?q=",
        "/metrics/",
        "/errors/",
        "/traces/",
    ] {
        waiting.push_back(format!("{path}{encoded}"));
    }
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut shown = 0;
    while let Some(path) = waiting.pop_front() {
        // A page of each form, and of the most frequent forms a few.
        let form = form(&path);
        if seen.len() >= PAGES || !seen.insert(form) {
            continue;
        }
        browser.goto(&dev.page(&path)).await.unwrap();
        browser
            .wait_until("document.readyState === 'complete'")
            .await
            .unwrap();
        let found = browser.eval(TRACES).await.unwrap();
        assert_eq!(found, json!([]), "{path}");
        let mut complaints = browser.complaints().await.unwrap();
        // A page that says that something is not there is no fault.
        complaints.retain(|message| !message.text.contains("404"));
        assert_eq!(complaints, [], "{path}");
        let text = browser.text("#content").await.unwrap_or_default();
        shown += usize::from(text.contains("window.__pwned=1</script>"));
        let links = browser
            .eval("[...document.querySelectorAll('#content a[href]')].filter(link => link.origin === location.origin && !link.hasAttribute('download')).map(link => link.getAttribute('href'))")
            .await
            .unwrap();
        for link in links.as_array().unwrap() {
            waiting.push_back(link.as_str().unwrap().to_owned());
        }
    }
    // It is there to be read, and not only left out.
    assert!(shown >= 15, "only {shown} of {} pages show it", seen.len());
}

/// What pages that differ only in ids and words have in common.
fn form(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let first: Vec<&str> = path.split('/').take(2).collect();
    let depth = path.split('/').count();
    let keys: Vec<&str> = query
        .split('&')
        .map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key))
        .collect();
    format!("{}/{depth}?{}", first.join("/"), keys.join("&"))
}
