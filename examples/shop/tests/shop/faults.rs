//! What goes wrong on purpose, while the shop runs.

use std::process::Command;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use throughline_receiver::{Attributes, Contents};

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

/// How often an event was told, of those for which something holds.
fn told(contents: &Contents, event: &str, key: &str, value: &str) -> usize {
    let records = contents
        .logs
        .iter()
        .filter(|record| record.event_name == event);
    let such = records.filter(|record| {
        let found = record.attribute_str(key).unwrap_or_default();
        found.contains(value)
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
        ("query.slow", "", ""),
        ("query.storm", "", ""),
        ("request.slow", "http.route", "/"),
        ("http.server.exception", "exception.type", "CatalogueError"),
        ("http.server.exception", "exception.type", "GatewayError"),
        ("checkout.failed", "error.type", "gateway unavailable"),
        ("checkout.failed", "error.type", "gateway timeout"),
        ("checkout.failed", "error.type", "card declined"),
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
}
