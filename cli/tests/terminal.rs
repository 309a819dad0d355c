//! The terminal's commands beside a running `throughline dev`, as scripts and people use them.

// What fails here fails the test, also outside of the tests' own functions.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, SystemTime},
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
        number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event},
};
use prost::Message;
use serde_json::Value as Json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_throughline");
const TRACE: &str = "0123456789abcdef0011223344556677";
const MILLISECOND: u64 = 1_000_000;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

struct Dev {
    folder: tempfile::TempDir,
    process: Option<Running>,
    otlp_http: String,
    page: String,
    now: u64,
}

impl Dev {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0";
        let mut child = Command::new(PROGRAM)
            .args(["dev", "--announce", "json"])
            .args(["--otlp-grpc", any, "--otlp-http", any, "--page", any])
            .arg("--data-dir")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let announced: Json = serde_json::from_str(&line).unwrap();
        let address = |name: &str| {
            let url = announced[name].as_str().unwrap();
            url.strip_prefix("http://").unwrap().to_owned()
        };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            folder,
            process: Some(Running(child)),
            otlp_http: address("otlp_http"),
            page: address("page"),
            now: u64::try_from(now.unwrap().as_nanos()).unwrap(),
        }
    }

    /// With what one failed payment tells.
    fn with_a_payment() -> Self {
        let dev = Self::start();
        dev.send("/v1/traces", &dev.traces());
        dev.send("/v1/logs", &dev.logs("payment failed", 17));
        dev.send("/v1/metrics", &dev.metrics());
        dev
    }

    fn send(&self, path: &str, request: &impl Message) {
        let kind = "application/x-protobuf";
        let body = request.encode_to_vec();
        let answer = post(&self.otlp_http, path, kind, &[], &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn traces(&self) -> ExportTraceServiceRequest {
        let span = |id: u64, parent: u64, name: &str, kind, length| Span {
            trace_id: trace_id(),
            span_id: id.to_be_bytes().to_vec(),
            parent_span_id: match parent {
                0 => Vec::new(),
                parent => parent.to_be_bytes().to_vec(),
            },
            name: name.into(),
            kind,
            start_time_unix_nano: self.now,
            end_time_unix_nano: self.now + length * MILLISECOND,
            ..Span::default()
        };
        let mut failed = span(2, 1, "charge \u{1b}[31mcard", 3, 200);
        failed.attributes = vec![
            attribute("order.id", Value::IntValue(7)),
            attribute("price", Value::DoubleValue(2.0)),
        ];
        failed.status = Some(Status {
            code: 2,
            message: "declined".into(),
        });
        failed.events = vec![Event {
            name: "exception".into(),
            time_unix_nano: self.now + 150 * MILLISECOND,
            attributes: vec![
                attribute("exception.type", text("CardDeclined")),
                attribute("exception.message", text("card declined")),
            ],
            ..Event::default()
        }];
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: resource(),
                scope_spans: vec![ScopeSpans {
                    spans: vec![span(1, 0, "POST /pay", 2, 300), failed],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        }
    }

    fn logs(&self, message: &str, severity_number: i32) -> ExportLogsServiceRequest {
        let record = LogRecord {
            time_unix_nano: self.now + 160 * MILLISECOND,
            severity_number,
            body: Some(AnyValue {
                value: Some(text(message)),
            }),
            attributes: vec![
                attribute("exception.type", text("CardDeclined")),
                attribute("exception.message", text("card declined")),
                attribute("user.id", text("ada")),
            ],
            trace_id: trace_id(),
            span_id: 2_u64.to_be_bytes().to_vec(),
            ..LogRecord::default()
        };
        ExportLogsServiceRequest {
            resource_logs: vec![ResourceLogs {
                resource: resource(),
                scope_logs: vec![ScopeLogs {
                    log_records: vec![record],
                    ..ScopeLogs::default()
                }],
                ..ResourceLogs::default()
            }],
        }
    }

    fn metrics(&self) -> ExportMetricsServiceRequest {
        let point = NumberDataPoint {
            time_unix_nano: self.now,
            attributes: vec![attribute("queue", text("mail"))],
            value: Some(number_data_point::Value::AsDouble(3.5)),
            ..NumberDataPoint::default()
        };
        let metric = Metric {
            name: "queue.length".into(),
            unit: "{mail}".into(),
            data: Some(Data::Gauge(Gauge {
                data_points: vec![point],
            })),
            ..Metric::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                resource: resource(),
                scope_metrics: vec![ScopeMetrics {
                    metrics: vec![metric],
                    ..ScopeMetrics::default()
                }],
                ..ResourceMetrics::default()
            }],
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        command(self.folder.path(), arguments)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints, which must be a success.
    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(!printed.contains('\u{1b}'), "{printed:?}");
        printed
    }

    fn json(&self, arguments: &[&str]) -> Vec<Json> {
        let arguments = [arguments, &["--json"]].concat();
        let printed = self.text(&arguments);
        let lines = printed.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--data-dir").arg(folder);
    command
}

/// The answer to `GET`, with its head.
fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// A request of HTTP as any client makes it, and its answer.
fn post(address: &str, path: &str, kind: &str, headers: &[&str], body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
        body.len()
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn trace_id() -> Vec<u8> {
    u128::from_str_radix(TRACE, 16)
        .unwrap()
        .to_be_bytes()
        .to_vec()
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            attribute("service.name", text("shop")),
            attribute("service.version", text("1.0.0")),
        ],
        ..Resource::default()
    })
}

fn text(text: &str) -> Value {
    Value::StringValue(text.into())
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// The lines of a program as they come.
fn lines(stdout: ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[test]
fn a_trace_is_a_tree_with_its_log_and_its_error_at_their_place() {
    let dev = Dev::with_a_payment();
    let tree = dev.text(&["trace", TRACE]);
    let lines: Vec<&str> = tree.lines().collect();
    assert_eq!(lines.len(), 4, "{tree}");
    assert!(lines[0].starts_with("POST /pay  300 ms"), "{tree}");
    assert!(
        lines[1].starts_with("└─ charge \\u{1b}[31mcard  200 ms  error declined"),
        "{tree}"
    );
    assert!(lines[1].contains("order.id=7"), "{tree}");
    // The record tells more than the span's exception, which is the same failure.
    assert!(
        lines[2].contains("ERROR  payment failed") || lines[3].contains("ERROR  payment failed"),
        "{tree}"
    );
    assert!(
        lines[2..]
            .iter()
            .any(|line| line.contains("✗  CardDeclined  card declined")),
        "{tree}"
    );

    let all = dev.json(&["trace", TRACE]);
    let kinds: Vec<_> = all
        .iter()
        .map(|one| one["type"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["span", "span", "record", "error"]);
    let span = all.iter().find(|one| one["name"] != "POST /pay").unwrap();
    assert_eq!(span["trace_id"], TRACE);
    assert_eq!(span["parent_span_id"], "0000000000000001");
    assert_eq!(span["kind"], "client");
    assert_eq!(span["duration_ns"], 200 * MILLISECOND);
    assert_eq!(span["status"]["code"], "error");
    assert_eq!(
        span["attributes"].to_string(),
        r#"{"order.id":7,"price":2.0}"#
    );
    assert_eq!(
        span["events"][0]["attributes"]["exception.type"],
        "CardDeclined"
    );
    assert_eq!(span["resource"]["service.name"], "shop");
    let start = span["start"].as_str().unwrap();
    assert_eq!(
        start.len(),
        "2026-01-01T00:00:00.000000000Z".len(),
        "{start}"
    );
}

#[test]
fn a_trace_that_is_not_there_fails_and_says_what_to_try() {
    let dev = Dev::start();
    let output = dev.run(&["trace", "00000000000000000000000000000001"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("search --traces"), "{errors}");
    assert_eq!(dev.run(&["trace", "nonsense"]).status.code(), Some(1));
}

#[test]
fn logs_and_traces_are_found_by_words_and_terms() {
    let dev = Dev::with_a_payment();
    let found = dev.json(&["search", "failed", "user.id=ada"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["body"], "payment failed");
    assert_eq!(found[0]["severity_number"], 17);
    assert_eq!(found[0]["trace_id"], TRACE);
    assert!(
        dev.text(&["search", "--level", "error"])
            .contains("shop  ERROR  payment failed")
    );

    let traces = dev.json(&["search", "--traces", "order.id=7"]);
    assert_eq!(traces.len(), 1);
    assert_eq!(dev.json(&["search", "--traces", "order.id=8"]).len(), 0);
    assert_eq!(traces[0]["trace_id"], TRACE);
    assert_eq!(
        (traces[0]["spans"].as_u64(), traces[0]["errors"].as_u64()),
        (Some(2), Some(1))
    );
    assert!(
        dev.text(&["search", "--traces", "--failed"])
            .contains("POST /pay  300 ms  2 spans  1 failed")
    );

    let output = dev.run(&["search", "nowhere"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("nothing found")
    );
    assert_eq!(dev.json(&["search", "--service", "bank"]).len(), 0);
}

#[test]
fn errors_are_listed_shown_in_full_and_resolved_on_the_page() {
    let dev = Dev::with_a_payment();
    let errors = dev.json(&["errors"]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors[0]["title"], "CardDeclined");
    assert_eq!(errors[0]["count"], 1);
    assert_eq!(errors[0]["status"], "open");
    assert_eq!(errors[0]["last_release"], "shop@1.0.0");
    let id = errors[0]["id"].as_str().unwrap();
    assert!(
        dev.text(&["errors"])
            .contains("CardDeclined  card declined")
    );
    let full = dev.text(&["errors", id]);
    for part in [TRACE, "logged as  payment failed", "release  shop@1.0.0"] {
        assert!(full.contains(part), "{part}: {full}");
    }
    let one = &dev.json(&["errors", id])[0];
    assert_eq!(one["occurrence"]["source"], "log_record");
    assert_eq!(one["occurrence"]["record"]["body"], "payment failed");
    assert_eq!(one["occurrence"]["user"], "ada");

    let form = "application/x-www-form-urlencoded";
    let path = format!("/errors/{id}/resolve");
    let foreign = ["Origin: http://elsewhere.example"];
    let answer = post(&dev.page, &path, form, &foreign, b"resolved=true");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!(dev.json(&["errors"])[0]["status"], "open");
    let origin = format!("Origin: http://{}", dev.page);
    let answer = post(&dev.page, &path, form, &[&origin], b"resolved=true");
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert!(
        answer.contains(&format!("location: /errors/{id}")),
        "{answer}"
    );
    assert_eq!(dev.json(&["errors"]).len(), 0);
    let resolved = dev.json(&["errors", "--status", "resolved"]);
    assert_eq!(resolved[0]["resolved_in"], "shop@1.0.0");

    assert_eq!(
        dev.run(&["errors", "0000000000000000"]).status.code(),
        Some(1)
    );
}

#[test]
fn an_error_of_sentry_is_shown_in_full_on_the_page_and_in_the_terminal() {
    let dev = Dev::start();
    let event = "038387483a16404db621d28942d607e4";
    let envelope = include_str!("../src/sentry/fixtures/python_chained.envelope");
    // What a stranger writes is text. The item's header tells its length, which is another then.
    let header = envelope.lines().nth(1).unwrap();
    let envelope = envelope
        .replacen(header, r#"{"type":"event"}"#, 1)
        .replacen("pressed pay", "<b>pressed", 1);
    let kind = "application/x-sentry-envelope";
    let answer = post(
        &dev.page,
        "/api/1/envelope/",
        kind,
        &[],
        envelope.as_bytes(),
    );
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let list = get(&dev.page, "/errors?since=all");
    for part in ["ValueError", "card of order 42 is not known", "shop"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert!(!get(&dev.page, "/errors?since=all&q=elsewhere").contains("ValueError"));
    assert!(!get(&dev.page, "/errors?since=all&status=resolved").contains("ValueError"));

    // Sentry's own id leads to the issue.
    let moved = get(&dev.page, &format!("/errors/{event}"));
    assert!(moved.starts_with("HTTP/1.1 303"), "{moved}");
    let location = moved
        .lines()
        .find_map(|line| line.strip_prefix("location: "));
    let page = get(&dev.page, location.unwrap());
    for part in [
        "<h1>ValueError</h1>",
        "caused by",
        "KeyError",
        "charge",
        "return charge(card)",
        "&#60;b&#62;pressed",
        "shop.region",
        "north",
        "/users?user=ada",
        "shop@1.4.2",
        "1bb88ea74af944f9844107d17d6eee4e",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<b>pressed"), "{page}");
    assert!(get(&dev.page, "/errors/ffffffffffffffff").starts_with("HTTP/1.1 404"));

    let full = dev.text(&["errors", event]);
    for part in [
        "ValueError  card of order 42 is not known",
        "caused by KeyError  '4000'",
        "raise ValueError(",
        "shop.region=north",
        "user  ada",
    ] {
        assert!(full.contains(part), "{part}: {full}");
    }
    let one = &dev.json(&["errors", event])[0];
    assert_eq!(one["occurrence"]["event_id"], event);
    assert_eq!(
        one["occurrence"]["event"]["exception"][1]["type"],
        "ValueError"
    );
}

#[test]
fn the_slowest_endpoints_and_traces_are_told() {
    let dev = Dev::with_a_payment();
    // What is counted by endpoint is written once a second.
    let began = std::time::Instant::now();
    let slow = loop {
        let slow = dev.json(&["slow"]);
        if slow.iter().any(|one| one["type"] == "endpoint") {
            break slow;
        }
        assert!(began.elapsed() < PATIENCE, "{slow:?}");
    };
    let endpoint = &slow[0];
    assert_eq!(endpoint["name"], "POST /pay");
    assert_eq!(endpoint["count"], 1);
    let p95 = endpoint["p95_ns"].as_u64().unwrap();
    assert!((280..=320).contains(&(p95 / MILLISECOND)), "{p95}");
    let trace = slow.iter().find(|one| one["type"] == "trace").unwrap();
    assert_eq!(trace["trace_id"], TRACE);
    assert_eq!(trace["duration_ns"], 300 * MILLISECOND);
    assert!(dev.text(&["slow"]).contains("POST /pay"));
}

#[test]
fn metrics_are_listed_and_shown_with_their_last_values() {
    let dev = Dev::with_a_payment();
    let names = dev.json(&["metrics"]);
    assert_eq!(names.len(), 1);
    assert_eq!(
        (names[0]["name"].as_str(), names[0]["kind"].as_str()),
        (Some("queue.length"), Some("gauge"))
    );
    let series = dev.json(&["metrics", "queue.length"]);
    assert_eq!(series[0]["point"]["value"], 3.5);
    assert_eq!(series[0]["attributes"]["queue"], "mail");
    let table = dev.text(&["metrics", "queue.length"]);
    assert!(
        table.contains("queue=mail") && table.contains("3.5"),
        "{table}"
    );
    let output = dev.run(&["metrics", "none"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("no metric none")
    );
}

#[test]
fn tail_follows_what_fits_and_ends_well_on_an_interrupt() {
    let dev = Dev::with_a_payment();
    let mut child = dev
        .command(&["tail", "--json", "user.id=ada", "--level", "warn"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = lines(child.stdout.take().unwrap());
    let mut child = Running(child);
    let next = || -> Json {
        let line = lines.recv_timeout(PATIENCE).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    // What there was before.
    assert_eq!(next()["body"], "payment failed");
    dev.send("/v1/logs", &dev.logs("all is well", 9));
    dev.send("/v1/logs", &dev.logs("slow again", 13));
    assert_eq!(next()["body"], "slow again");
    dev.send("/v1/logs", &dev.logs("and again", 17));
    assert_eq!(next()["body"], "and again");

    let interrupted = Command::new("kill")
        .args(["-INT", &child.0.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert_eq!(child.0.wait().unwrap().code(), Some(0));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let dev = Dev::start();
    let mut request = dev.logs("many", 9);
    let records = &mut request.resource_logs[0].scope_logs[0].log_records;
    *records = vec![records[0].clone(); 5_000];
    dev.send("/v1/logs", &request);
    let mut child = dev
        .command(&["search", "--limit", "5000", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(
        output.stderr.is_empty(),
        "{:?}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn what_was_stored_is_read_when_nothing_runs_as_well() {
    let mut dev = Dev::with_a_payment();
    // As a crash ends it.
    dev.process = None;
    assert_eq!(dev.json(&["search", "failed"]).len(), 1);
    assert_eq!(dev.json(&["errors"]).len(), 1);

    let empty = tempfile::tempdir().unwrap();
    let output = command(empty.path(), &["search"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("throughline dev"), "{errors}");
}
