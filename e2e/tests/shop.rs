//! The compose file's profile `shop`, as a user starts it: what its three services send is in
//! every server, and a fault shows where its dashboard and its alert look for it.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use throughline_e2e::{
    ask::Answer,
    failure::Outcome,
    jaeger::Trace,
    loki::Record,
    shop::Shop,
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};
use tokio::{time::Duration, try_join};

const SERVICES: [&str; 3] = ["payments", "storefront", "worker"];
const ALERT: &str = "HighErrorRatio";
/// The ratio's window of 1 min, the 15 s that it must last, and evaluation.
const FIRES_WITHIN: Duration = Duration::from_secs(120);
/// A fifth of the pages each second keep a mebibyte, and the container has 256 of them.
const LEAK: &str = "memory_leak=0.2";
const LEAKED: f64 = 64.0 * 1024.0 * 1024.0;

#[tokio::test]
async fn the_shop_is_in_every_server_and_its_faults_are_seen() -> Outcome {
    let servers = servers().await?;
    let shop = Shop::open(&servers).await?;
    let trace = one_checkout_is_one_trace(&servers, &shop).await?;
    try_join!(
        records_of_each_stream_lead_to_traces(&servers, &shop, &trace.value),
        rates_errors_and_durations(&servers, &shop),
    )?;

    let quiet = memory(&servers, &shop).await?;
    shop.fault("shop-storefront", LEAK).await?;
    shop.fault("shop-storefront", "error_burst=0.5").await?;
    shop.fault("shop-payments", "gateway_outage").await?;
    try_join!(
        a_leak_grows(&servers, &shop, quiet),
        errors_are_an_issue(&servers, &shop),
        an_outage_is_the_ratio_of_payments(&servers, &shop),
        errors_raise_the_alert(&servers, &shop),
    )?;
    shop.close().await?;
    Ok(())
}

/// From the page that was asked for, over the money, to the receipt that the worker sent.
async fn one_checkout_is_one_trace(servers: &Servers, shop: &Shop) -> Result<Answer<Trace>> {
    let worker = shop.run("worker");
    let traces = eventually(
        "a trace of storefront, payments and worker",
        ARRIVAL,
        || servers.jaeger.in_environment(&worker, "send_receipt"),
        |traces| traces.iter().any(is_whole),
    )
    .await?;
    let trace = traces.map(|traces| traces.into_iter().find(is_whole));
    let trace = trace.try_map(|trace| trace.context("waited for above"))?;
    let root = trace.value.root().context("no root")?;
    trace.must_equal("root", root.name.as_str(), "POST /checkout")?;
    for (name, service) in [
        ("POST /checkout", "storefront"),
        ("POST /payments", "payments"),
        ("send_receipt", "worker"),
    ] {
        let mut spans = trace.value.spans.iter();
        let span = spans.find(|span| span.name == name && is_of(&trace.value, span, service));
        trace.must(&format!("{name} of {service}"), |_| span.is_some())?;
        let parent = span.and_then(|span| span.parent());
        let known = parent.is_none_or(|parent| {
            parent.trace == trace.value.id
                && trace.value.spans.iter().any(|span| span.id == parent.span)
        });
        trace.must(&format!("the parent of {name} in it"), |_| known)?;
    }
    Ok(trace)
}

/// Whether all of it has arrived: the job is what ends last.
fn is_whole(trace: &Trace) -> bool {
    trace.services() == BTreeSet::from(SERVICES)
        && trace
            .root()
            .is_some_and(|root| root.name == "POST /checkout")
}

fn is_of(trace: &Trace, span: &throughline_e2e::jaeger::Span, service: &str) -> bool {
    trace
        .process(span)
        .is_some_and(|process| process.service == service)
}

async fn records_of_each_stream_lead_to_traces(
    servers: &Servers,
    shop: &Shop,
    checkout: &Trace,
) -> Result<()> {
    // What was sold, and what the worker did about it, in the checkout's own trace.
    for (stream, event, service) in [
        ("business", "checkout.completed", "storefront"),
        ("business", "payment.status_changed", "payments"),
        ("business", "invoice.created", "worker"),
        ("audit", "audit.created", "worker"),
    ] {
        let record = record(servers, shop, stream, event, service, &checkout.id).await?;
        let span = record.value.label("span_id");
        record.must("its span in the trace", |_| {
            checkout.spans.iter().any(|found| found.id == span)
        })?;
    }
    // Somebody logged in, in a trace of the storefront.
    let login = record(
        servers,
        shop,
        "security",
        "auth.login.succeeded",
        "storefront",
        "",
    )
    .await?;
    let trace = login.value.label("trace_id");
    eventually(
        &format!("the trace {trace} of a login"),
        ARRIVAL,
        || servers.jaeger.trace(trace),
        |trace| trace.root().is_some_and(|root| root.name == "POST /login"),
    )
    .await?;
    Ok(())
}

/// The first record of an event in a stream; of a trace, or of any.
async fn record(
    servers: &Servers,
    shop: &Shop,
    stream: &str,
    event: &str,
    service: &str,
    trace: &str,
) -> Result<Answer<Record>> {
    let environment = shop.environment();
    let of_trace = match trace {
        "" => String::new(),
        trace => format!(r#" | trace_id="{trace}""#),
    };
    let query = format!(
        r#"{{deployment_environment_name="{environment}", service_name="{service}", log_category="{stream}"}} | event_name="{event}"{of_trace}"#
    );
    let run = shop.run(service);
    let records = eventually(
        &format!("{event} of {service}"),
        ARRIVAL,
        || servers.loki.query(&query, &run),
        |records| !records.is_empty(),
    )
    .await?;
    let first = records.map(|records| records.into_iter().next());
    first.try_map(|first| first.context("waited for above"))
}

/// RED: of each service, by the spans; of those that serve, by their own metrics as well.
async fn rates_errors_and_durations(servers: &Servers, shop: &Shop) -> Result<()> {
    let of = |metric: &str| {
        let environment = shop.environment();
        format!(r#"{metric}{{deployment_environment_name="{environment}"}}"#)
    };
    let calls = of("environment_service:traces_span_metrics_calls:rate1m");
    for (what, query, services) in [
        ("a rate by spans", calls, &SERVICES[..]),
        (
            "a 95th percentile by spans",
            format!(
                "histogram_quantile(0.95, sum by (service_name, le) (rate({}[1m])))",
                of("traces_span_metrics_duration_seconds_bucket")
            ),
            &SERVICES,
        ),
        (
            "a rate by requests",
            format!(
                "sum by (service_name) (rate({}[1m]))",
                of("http_server_request_duration_seconds_count")
            ),
            &["payments", "storefront"],
        ),
    ] {
        eventually(
            &format!("{what} of each of {services:?}"),
            ARRIVAL,
            || servers.prometheus.by_label(&query, "service_name"),
            |found| {
                let has = |service: &&str| found.get(*service).is_some_and(|value| *value > 0.0);
                services.iter().all(has)
            },
        )
        .await?;
    }
    Ok(())
}

fn memory_of_storefront(shop: &Shop) -> String {
    format!(
        r#"process_memory_usage_bytes{{deployment_environment_name="{}", service_name="storefront"}}"#,
        shop.environment()
    )
}

/// The most that the storefront had without a fault.
async fn memory(servers: &Servers, shop: &Shop) -> Result<f64> {
    let query = format!("max_over_time({}[5m])", memory_of_storefront(shop));
    let found = eventually(
        "the memory of the storefront",
        ARRIVAL,
        || servers.prometheus.value(&query),
        Option::is_some,
    )
    .await?;
    found.value.context("waited for above")
}

async fn a_leak_grows(servers: &Servers, shop: &Shop, quiet: f64) -> Result<()> {
    let query = memory_of_storefront(shop);
    eventually(
        &format!("64 MiB more than {quiet} of memory in the storefront"),
        ARRIVAL,
        || servers.prometheus.value(&query),
        |bytes| bytes.is_some_and(|bytes| bytes >= quiet + LEAKED),
    )
    .await?;
    shop.fault("shop-storefront", "memory_leak=off").await
}

async fn errors_are_an_issue(servers: &Servers, shop: &Shop) -> Result<()> {
    let run = shop.run("storefront");
    let issues = eventually(
        "an issue of the catalogue in Bugsink",
        ARRIVAL,
        || servers.bugsink.reported_from(&run),
        |issues| {
            let mut kinds = issues.iter().map(|reported| &reported.issue.kind);
            kinds.any(|kind| kind.ends_with("CatalogueError"))
        },
    )
    .await?;
    let mut of_catalogue = issues.value.iter();
    let reported = of_catalogue
        .find(|reported| reported.issue.kind.ends_with("CatalogueError"))
        .context("waited for above")?;
    let event = &reported.events[0];
    issues.must_equal("service", &event["tags"]["service.name"], "storefront")?;
    let trace = event["contexts"]["trace"]["trace_id"]
        .as_str()
        .context("an event without a trace")?;
    eventually(
        &format!("the trace {trace} of an error"),
        ARRIVAL,
        || servers.jaeger.trace(trace),
        |trace| {
            let root = trace.root();
            root.is_some_and(|root| root.tag("error").as_deref() == Some("true"))
        },
    )
    .await?;
    Ok(())
}

/// Also without the fault some cards are ones that the gateway leaves waiting: one in ten.
async fn an_outage_is_the_ratio_of_payments(servers: &Servers, shop: &Shop) -> Result<()> {
    let environment = shop.environment();
    let ratio = format!(
        r#"environment_service:traces_span_metrics_calls_errors:ratio_rate1m{{deployment_environment_name="{environment}", service_name="payments"}}"#
    );
    eventually(
        "four in ten payments of a minute failed",
        FIRES_WITHIN,
        || servers.prometheus.value(&ratio),
        |ratio| ratio.is_some_and(|ratio| ratio > 0.4),
    )
    .await?;
    Ok(())
}

async fn errors_raise_the_alert(servers: &Servers, shop: &Shop) -> Result<()> {
    let firing = format!(
        r#"ALERTS{{alertname="{ALERT}", alertstate="firing", deployment_environment_name="{}"}}"#,
        shop.environment()
    );
    let alerts = eventually(
        &format!("{ALERT} fires for the storefront"),
        FIRES_WITHIN,
        || servers.prometheus.by_label(&firing, "service_name"),
        |services| services.contains_key("storefront"),
    )
    .await?;
    // Whose jobs go well.
    alerts.must("none for the worker", |services| {
        !services.contains_key("worker")
    })
}
