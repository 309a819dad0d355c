//! What goes wrong on purpose, while the shop runs.

use std::process::Command;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use throughline_receiver::{Attributes, Contents, Received, Receiver};

use crate::day::number;
use crate::open::{Faults, Shop, folder};
use crate::process::{Service, shop};

fn storefront(name: &str, faults: &str) -> Service {
    let mut command: Command = shop("storefront");
    command
        .env("OTEL_SDK_DISABLED", "true")
        .env("SHOP_FAULTS", faults);
    Service::start(command, &folder(name))
}

async fn switch(client: &Client, shop: &Service, fault: &str, rate: &'static str) -> StatusCode {
    let address = format!("{}/faults/{fault}", shop.address());
    client
        .put(address)
        .body(rate)
        .send()
        .await
        .unwrap()
        .status()
}

async fn home(client: &Client, shop: &Service) -> StatusCode {
    client.get(shop.address()).send().await.unwrap().status()
}

#[tokio::test]
async fn a_fault_is_switched_on_and_off_while_the_service_runs() {
    let shop = storefront("switched", "error_burst");
    let client = Client::new();
    assert_eq!(home(&client, &shop).await, 500);
    assert_eq!(switch(&client, &shop, "error_burst", "off").await, 200);
    assert_eq!(home(&client, &shop).await, 200);
    assert_eq!(switch(&client, &shop, "panics", "0.5").await, 200);
    assert_eq!(home(&client, &shop).await, 200);
    assert_eq!(home(&client, &shop).await, 500);
    assert_eq!(switch(&client, &shop, "panic", "on").await, 404);
    assert_eq!(switch(&client, &shop, "panics", "2").await, 400);
    shop.end();
}

#[tokio::test]
async fn a_fault_is_not_switched_by_a_stranger_or_a_page_in_a_browser() {
    let shop = storefront("strangers", "");
    let client = Client::new();
    let address = format!("{}/faults/error_burst", shop.address());
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.9"),
        ("origin", "https://example.com"),
        ("host", "shop.example"),
    ] {
        let asked = client.put(&address).body("on").header(name, value);
        assert_eq!(asked.send().await.unwrap().status(), 403, "{name}");
    }
    assert_eq!(home(&client, &shop).await, 200);
    shop.end();
}

#[tokio::test]
async fn a_fault_is_switched_by_the_program_beside_the_service() {
    let service = storefront("beside", "");
    let client = Client::new();
    let listen = service
        .address()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let fault = |faults: &[&str]| {
        let mut command = shop("fault");
        let output = command.args(["--listen", &listen]).args(faults).output();
        output.unwrap()
    };
    assert!(fault(&["error_burst,panics=0"]).status.success());
    assert_eq!(home(&client, &service).await, 500);
    let all: Value = serde_json::from_slice(&fault(&[]).stdout).unwrap();
    assert_eq!(all["error_burst"]["rate"], 1.0);
    assert_eq!(all["panics"]["rate"], 0.0);
    assert!(fault(&["error_burst=off"]).status.success());
    assert_eq!(home(&client, &service).await, 200);

    let unknown = fault(&["error_bursts"]);
    assert!(!unknown.status.success());
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(said.contains("no fault `error_bursts`"), "{said}");
    service.end();
    let nobody = fault(&["panics"]);
    assert!(!nobody.status.success());
}

#[tokio::test]
async fn the_gateway_does_wrong_to_a_good_card_by_a_fault_alone() {
    let mut command: Command = shop("payments");
    command.env("OTEL_SDK_DISABLED", "true");
    let payments = Service::start(command, &folder("gateway"));
    let client = Client::new();
    let pay = async || {
        let card = json!({ "number": "4242424242424242", "expires": "12/30", "cvc": "123" });
        let asked = json!({ "order": "o-1", "amount": 100, "card": card });
        let address = format!("{}/payments", payments.address());
        let answer = client.post(address).json(&asked).send().await;
        answer.unwrap().status()
    };
    for (fault, status) in [
        ("payment_refusals", 402),
        ("gateway_timeouts", 504),
        ("gateway_outage", 502),
    ] {
        assert_eq!(pay().await, 201, "before {fault}");
        switch(&client, &payments, fault, "on").await;
        assert_eq!(pay().await, status, "{fault}");
        switch(&client, &payments, fault, "off").await;
    }
    payments.end();
}

const MIB: f64 = 1024.0 * 1024.0;

/// What the process had at the last export.
fn memory(contents: &Contents) -> f64 {
    let metrics = throughline_receiver::latest_metrics(&contents.metrics);
    let memory = metrics
        .into_iter()
        .find(|metric| metric.name == "process.memory.usage");
    let points = memory.into_iter().flat_map(Received::points);
    points.map(number).sum()
}

#[tokio::test]
async fn a_leak_is_seen_in_the_memory_of_the_process() {
    let receiver = Receiver::start().unwrap();
    let mut command: Command = shop("storefront");
    command
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.http_endpoint())
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100");
    let service = Service::start(command, &folder("leak"));
    let client = Client::new();
    let pages = async || {
        for _ in 0..64 {
            assert_eq!(home(&client, &service).await, 200);
        }
    };
    // What it keeps for good anyway, it has after as many pages.
    pages().await;
    let within = Duration::from_secs(20);
    let exports = || receiver.contents().metrics.len();
    let before = exports();
    let wait = receiver.wait_until(within, |contents| {
        contents.metrics.len() > 2 * before && memory(contents) > 0.0
    });
    wait.await.unwrap();
    let quiet = memory(&receiver.contents());

    switch(&client, &service, "memory_leak", "on").await;
    pages().await;
    let grown = |contents: &Contents| memory(contents) >= quiet + 60.0 * MIB;
    let seen = receiver.wait_until(within, grown).await;
    let now = memory(&receiver.contents());
    seen.unwrap_or_else(|error| panic!("{now} after {quiet}: {error}"));
    service.end();
}

/// How often an event was told, of those for which something holds.
fn told(contents: &Contents, event: &str, key: &str, value: &str) -> usize {
    let records = contents
        .logs
        .iter()
        .filter(|record| record.event_name == event);
    let such = records.filter(|record| {
        let found = record.attribute_str(key).unwrap_or_default();
        // Every other path has a slash in it, too.
        found == value || value != "/" && found.contains(value)
    });
    such.count()
}

#[test]
fn each_fault_leaves_what_it_is_for() {
    let shop = Shop::open(
        &folder("faults"),
        None,
        &Faults {
            storefront: "slow_queries=0.1,query_storm,slow_requests=0.05,error_burst=0.1,\
                         log_flood=0.05,memory_leak=0.5",
            payments: "gateway_outage=0.3,gateway_timeouts=0.2,payment_refusals=0.2",
            worker: "job_failures=0.5,slow_jobs=0.2,unhealthy",
        },
    );
    let summary = shop.visited(&[
        "--seed=7",
        "--actions=400",
        "--rate=100",
        "--users=40",
        "--summary=json",
    ]);
    let ready = format!("{}/readyz", shop.worker.address());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ready = runtime.block_on(Client::new().get(ready).send()).unwrap();
    assert_eq!(ready.status(), 503);

    let all = [
        ("query.slow", "db.query.text", "RECURSIVE counter"),
        ("request.slow", "http.route", "/"),
        ("http.server.exception", "exception.type", "CatalogueError"),
        ("http.server.exception", "exception.type", "GatewayError"),
        ("checkout.failed", "error.type", "gateway unavailable"),
        ("job.failed", "exception.type", "MailError"),
        ("operation.slow", "operation.name", "send_"),
        ("health.check.failed", "", ""),
    ];
    let within = Duration::from_secs(60);
    let waited = shop.receiver.blocking_wait_until(within, |contents| {
        // What failed for the relay's sake is done by a later attempt.
        let again = contents.spans.iter().any(|span| {
            span.attribute_i64("job.attempt") > Some(1)
                && span.attribute_str("job.outcome") == Some("success")
        });
        again
            && all
                .iter()
                .all(|(event, key, value)| told(contents, event, key, value) > 0)
    });
    if waited.is_err() {
        let contents = shop.receiver.contents();
        let missing = all
            .iter()
            .filter(|(event, key, value)| told(&contents, event, key, value) == 0);
        panic!("{:?}, {summary}", missing.collect::<Vec<_>>());
    }
    let (receiver, _, _) = shop.close();
    let contents = receiver.contents();
    let flood = contents
        .logs
        .iter()
        .filter(|record| record.message() == Some("cache entry was evicted"));
    let flood = flood.count();
    assert!(flood > 0 && flood % 100 == 0, "{flood}");
    // Without the fault only those that ask for the products as well are.
    let lists = contents.spans.iter().filter(|span| {
        span.name == "GET /orders" && span.attribute_i64("http.response.status_code") == Some(200)
    });
    let storms = contents.logs.iter().filter(|record| {
        record.event_name == "query.storm" && record.attribute_i64("db.query.count") > Some(50)
    });
    let storms: Vec<_> = storms.map(|record| &record.trace_id).collect();
    let calm = lists
        .clone()
        .filter(|span| !storms.contains(&&span.trace_id));
    assert!(lists.clone().count() > 0);
    assert_eq!(calm.count(), 0);
}
