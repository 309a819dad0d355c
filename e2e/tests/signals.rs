//! Every request of a counted load shows up once in every server, under one trace id.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use throughline_e2e::{
    failure::Outcome,
    jaeger,
    load::{Request, Route},
    loki::Record,
    quickstart::Quickstart,
    run::Run,
    service::{Exit, Options, Protocol},
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually, stays},
};
use tokio::time::Duration;

/// Requests to each route.
const EACH: usize = 25;

#[tokio::test]
async fn every_request_is_in_every_server_once_by_grpc() -> Outcome {
    Ok(every_request_is_in_every_server_once(Run::new("grpc"), Protocol::Grpc).await?)
}

#[tokio::test]
async fn every_request_is_in_every_server_once_by_http() -> Outcome {
    Ok(every_request_is_in_every_server_once(Run::new("http"), Protocol::Http).await?)
}

#[tokio::test]
async fn a_status_code_is_a_number_as_the_semantic_conventions_say() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("types");
    Quickstart::driven(&run, &servers, Options::default(), &[Route::Orders], 1).await?;
    let span = Route::Orders.span();
    let traces = eventually(
        "the trace in Jaeger",
        ARRIVAL,
        || servers.jaeger.traces(&run, &span),
        |traces| traces.len() == 1,
    )
    .await?;
    let root = traces.value[0].root().context("a trace without a root")?;
    let status = root.integer("http.response.status_code");
    Ok(traces.must_equal("http.response.status_code, an integer", status, Some(200))?)
}

async fn every_request_is_in_every_server_once(run: Run, protocol: Protocol) -> Result<()> {
    let servers = servers().await?;
    let options = Options {
        protocol,
        sentry: true,
    };
    let (requests, exit) = Quickstart::driven(&run, &servers, options, &Route::ALL, EACH).await?;

    let traces = one_trace_a_request(&servers, &run, &requests).await?;
    one_record_a_request(&servers, &run, &requests, &traces).await?;
    counts_and_sums_match(&servers, &run, &requests).await?;
    one_issue_a_distinct_error(&servers, &run, &requests, &traces).await?;
    stdout_carries_the_same_ids(&exit, &requests, &traces)?;
    // By now every queue on the way has long been empty: what would come twice has come.
    for route in Route::ALL {
        let span = route.span();
        stays(
            &format!("exactly {EACH} traces of {span}"),
            Duration::from_secs(1),
            || servers.jaeger.traces(&run, &span),
            |traces| traces.len() == EACH,
        )
        .await?;
    }
    let records = servers.loki.records(&run).await?;
    let in_traces = records
        .value
        .iter()
        .filter(|record| !record.label("trace_id").is_empty());
    records.must_equal("records within a trace", in_traces.count(), requests.len())
}

/// Jaeger has exactly one trace a request; gives back the trace id of each order.
async fn one_trace_a_request(
    servers: &Servers,
    run: &Run,
    requests: &[Request],
) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for route in Route::ALL {
        let span = route.span();
        let traces = eventually(
            &format!("{EACH} traces of {span} in Jaeger"),
            ARRIVAL,
            || servers.jaeger.traces(run, &span),
            |traces| traces.len() >= EACH,
        )
        .await?;
        traces.must_equal("traces", traces.value.len(), EACH)?;
        let found = jaeger::by_order(&traces.value);
        traces.must_equal(
            "orders",
            keys(&found),
            ids(requests, |request| request.route == route),
        )?;
        for trace in &traces.value {
            let root = trace.root().context("a trace without a root")?;
            let tag = |key| root.tag(key).unwrap_or_default();
            traces.must_equal("name of the root", root.name.as_str(), span.as_str())?;
            traces.must_equal("span.kind", tag("span.kind"), "server".to_owned())?;
            traces.must_equal("http.route", tag("http.route"), route.template())?;
            traces.must_equal(
                "http.response.status_code",
                tag("http.response.status_code"),
                route.status().to_string(),
            )?;
            traces.must_equal(
                "error status",
                root.tag("error").as_deref() == Some("true"),
                route.status() >= 500,
            )?;
            let children = trace.spans.len() - 1;
            traces.must_equal(
                "child spans",
                children,
                usize::from(route == Route::Reports),
            )?;
        }
        all.extend(found);
    }
    Ok(all)
}

/// Loki has exactly one record a request, with the id of the request's trace.
async fn one_record_a_request(
    servers: &Servers,
    run: &Run,
    requests: &[Request],
    traces: &BTreeMap<String, String>,
) -> Result<()> {
    let records = eventually(
        &format!("{} records with a trace id in Loki", requests.len()),
        ARRIVAL,
        || servers.loki.records(run),
        |records| records.iter().filter(|record| in_a_trace(record)).count() >= requests.len(),
    )
    .await?;
    let in_traces: Vec<_> = records
        .value
        .iter()
        .filter(|record| in_a_trace(record))
        .collect();
    records.must_equal("records with a trace id", in_traces.len(), requests.len())?;
    for request in requests {
        let id = request.id.to_string();
        let trace = &traces[&id];
        let of_request: Vec<_> = in_traces
            .iter()
            .filter(|record| record.label("trace_id") == trace)
            .collect();
        let [record] = of_request[..] else {
            return records.must_equal(
                &format!("records of order {id}, trace {trace}"),
                of_request.len(),
                1,
            );
        };
        let level = record.label("severity_text");
        records.must_equal(
            &format!("level of order {id}"),
            level,
            request.route.level(),
        )?;
        // A panic's record is made by the hook, which knows nothing of orders.
        if request.route != Route::Panics {
            let order = record.label("order_id");
            records.must_equal(&format!("order id in trace {trace}"), order, id.as_str())?;
        }
    }
    Ok(())
}

/// Prometheus has the counts and sums that the load makes, from the service and from spans.
async fn counts_and_sums_match(servers: &Servers, run: &Run, requests: &[Request]) -> Result<()> {
    let service = format!(r#"service_name="{}""#, run.service);
    let items: u64 = requests
        .iter()
        .filter(|request| request.route == Route::Orders)
        .map(|request| request.id % 5 + 1)
        .sum();
    #[allow(clippy::cast_precision_loss)]
    let expected = [
        (
            format!("sum(quickstart_orders_total{{{service}}})"),
            EACH as f64,
        ),
        (
            format!("sum(quickstart_order_items_count{{{service}}})"),
            EACH as f64,
        ),
        (
            format!("sum(quickstart_order_items_sum{{{service}}})"),
            items as f64,
        ),
    ];
    for (query, expected) in expected {
        let found = eventually(
            &format!("{query} is {expected}"),
            ARRIVAL,
            || servers.prometheus.value(&query),
            |found| found.is_some_and(|found| found >= expected),
        )
        .await?;
        found.must_equal(&query, found.value, Some(expected))?;
    }
    #[allow(clippy::cast_precision_loss)]
    let per_route = |name: fn(Route) -> String| -> BTreeMap<String, f64> {
        Route::ALL
            .into_iter()
            .map(|route| (name(route), EACH as f64))
            .collect()
    };
    let counted = [
        (
            format!(
                "sum by (http_route) (http_server_request_duration_seconds_count{{{service}}})"
            ),
            "http_route",
            per_route(Route::template),
        ),
        (
            format!(
                "sum by (span_name) (traces_span_metrics_calls_total{{{service}, \
                 span_kind=\"SPAN_KIND_SERVER\"}})"
            ),
            "span_name",
            per_route(Route::span),
        ),
        (
            format!(
                "sum by (span_name) (traces_span_metrics_duration_seconds_count{{{service}, \
                 span_kind=\"SPAN_KIND_SERVER\"}})"
            ),
            "span_name",
            per_route(Route::span),
        ),
    ];
    for (query, label, expected) in counted {
        let total: f64 = expected.values().sum();
        let found = eventually(
            &format!("{query} is {expected:?}"),
            ARRIVAL,
            || servers.prometheus.by_label(&query, label),
            |found| found.values().sum::<f64>() >= total,
        )
        .await?;
        found.must_equal(&query, &found.value, &expected)?;
    }
    Ok(())
}

/// Bugsink has one issue for each of the two errors, and an event for each time it happened.
async fn one_issue_a_distinct_error(
    servers: &Servers,
    run: &Run,
    requests: &[Request],
    traces: &BTreeMap<String, String>,
) -> Result<()> {
    let failing = [Route::Payments, Route::Panics];
    let issues = eventually(
        &format!("{} events of release {} in Bugsink", 2 * EACH, run.release),
        ARRIVAL,
        || servers.bugsink.reported(run),
        |issues| issues.iter().map(|issue| issue.events.len()).sum::<usize>() >= 2 * EACH,
    )
    .await?;
    let mut counts: Vec<_> = issues
        .value
        .iter()
        .map(|issue| issue.events.len())
        .collect();
    counts.sort_unstable();
    issues.must_equal("events of each issue", counts, vec![EACH; failing.len()])?;

    let expected: BTreeSet<&str> = requests
        .iter()
        .filter(|request| failing.contains(&request.route))
        .map(|request| traces[&request.id.to_string()].as_str())
        .collect();
    let events: Vec<_> = issues
        .value
        .iter()
        .flat_map(|issue| &issue.events)
        .collect();
    let found: BTreeSet<&str> = events
        .iter()
        .filter_map(|event| event["contexts"]["trace"]["trace_id"].as_str())
        .collect();
    issues.must_equal("trace ids of the events", found, expected)?;
    for event in events {
        let environment = event["environment"].as_str();
        issues.must_equal("environment", environment, Some(run.environment.as_str()))?;
    }
    Ok(())
}

/// The JSON lines that the process printed carry the ids that the servers have.
fn stdout_carries_the_same_ids(
    exit: &Exit,
    requests: &[Request],
    traces: &BTreeMap<String, String>,
) -> Result<()> {
    let mut printed = BTreeMap::new();
    for record in exit.records()? {
        let Some(trace) = record["trace_id"].as_str() else {
            continue;
        };
        assert!(
            record["span_id"].is_string(),
            "a trace id without a span id: {record}"
        );
        let before = printed.insert(trace.to_owned(), record.clone());
        assert_eq!(
            before, None,
            "two lines for one request, the other being {record}"
        );
    }
    assert_eq!(
        printed.len(),
        requests.len(),
        "lines with a trace id: {:#?}",
        exit.stdout
    );
    for request in requests {
        let trace = &traces[&request.id.to_string()];
        let record = printed.get(trace).with_context(|| {
            format!(
                "no line has trace {trace} of {request:?}: {:#?}",
                exit.stdout
            )
        })?;
        assert_eq!(
            record["level"],
            request.route.level(),
            "level of {request:?}: {record}"
        );
        if request.route != Route::Panics {
            assert_eq!(
                record["order.id"], request.id,
                "order id of {request:?}: {record}"
            );
        }
    }
    Ok(())
}

fn in_a_trace(record: &Record) -> bool {
    !record.label("trace_id").is_empty()
}

fn keys(map: &BTreeMap<String, String>) -> BTreeSet<String> {
    map.keys().cloned().collect()
}

fn ids(requests: &[Request], of: impl Fn(&Request) -> bool) -> BTreeSet<String> {
    requests
        .iter()
        .filter(|request| of(request))
        .map(|request| request.id.to_string())
        .collect()
}
