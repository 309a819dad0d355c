//! One click each: the query behind every link that Grafana is provisioned with, filled
//! with a real request's values, finds that request in the server that it leads to.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use reqwest::Url;
use serde_json::Value;
use throughline_e2e::{
    failure::Outcome,
    grafana::{self, Values, interpolate},
    load::Route,
    loki::Record,
    quickstart::Quickstart,
    run::Run,
    service::Options,
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};

#[tokio::test]
async fn every_provisioned_link_leads_to_the_request() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("links");
    let options = Options {
        sentry: true,
        ..Options::default()
    };
    // A failing route, since its requests are in every server, Bugsink too.
    Quickstart::driven(&run, &servers, options, &[Route::Payments], 5).await?;
    let records = eventually(
        "the records of the load in Loki",
        ARRIVAL,
        || servers.loki.records(&run),
        |records| {
            records
                .iter()
                .filter(|record| !record.label("trace_id").is_empty())
                .count()
                == 5
        },
    )
    .await?;
    let record = records
        .value
        .iter()
        .find(|record| !record.label("trace_id").is_empty())
        .context("counted above")?;

    let environment = Values::from([("BUGSINK_URL", servers.bugsink.base())]);
    let sources = grafana::data_sources(&environment)?;
    exemplars_lead_to_traces(&servers, &run, &sources).await?;
    logs_lead_to_traces_and_errors(&servers, &run, record, &sources).await?;
    traces_lead_to_logs(&servers, &run, record, &sources).await?;
    traces_lead_to_metrics(&servers, &sources).await?;
    panels_lead_to_traces(&servers, &run, &sources).await?;
    Ok(())
}

type Sources = BTreeMap<String, Value>;

/// The links of one kind of one type of data source; there must be some.
fn links<'a>(sources: &'a Sources, kind: &str, path: &str) -> Result<Vec<&'a Value>> {
    let of_kind = sources.values().filter(|source| source["type"] == kind);
    let links: Vec<_> = of_kind
        .filter_map(|source| source["jsonData"].pointer(path)?.as_array())
        .flatten()
        .collect();
    ensure!(
        !links.is_empty(),
        "no {path} in any provisioned data source of type {kind}"
    );
    Ok(links)
}

fn leads_to(sources: &Sources, link: &Value, kind: &str) -> bool {
    let uid = link["datasourceUid"].as_str().unwrap_or_default();
    sources
        .get(uid)
        .is_some_and(|source| source["type"] == kind)
}

async fn exemplars_lead_to_traces(servers: &Servers, run: &Run, sources: &Sources) -> Result<()> {
    for link in links(sources, "prometheus", "/exemplarTraceIdDestinations")? {
        ensure!(
            leads_to(sources, link, "jaeger"),
            "an exemplar leads to no Jaeger: {link}"
        );
        let label = link["name"]
            .as_str()
            .context("a destination without a label's name")?;
        let query = format!(
            r#"traces_span_metrics_duration_seconds_bucket{{service_name="{}"}}"#,
            run.service
        );
        let exemplars = eventually(
            &format!("exemplars with a {label}"),
            ARRIVAL,
            || servers.prometheus.exemplars(&query, run.window()),
            |exemplars| {
                exemplars
                    .iter()
                    .any(|exemplar| exemplar.labels.contains_key(label))
            },
        )
        .await?;
        for exemplar in &exemplars.value {
            let trace = servers.jaeger.trace(&exemplar.labels[label]).await?;
            let name = trace.value.root().map(|root| root.name.clone());
            trace.must_equal("the exemplar's trace", name, Some(Route::Payments.span()))?;
        }
    }
    Ok(())
}

async fn logs_lead_to_traces_and_errors(
    servers: &Servers,
    run: &Run,
    record: &Record,
    sources: &Sources,
) -> Result<()> {
    for link in links(sources, "loki", "/derivedFields")? {
        ensure!(
            link["matcherType"] == "label",
            "Loki's records by OTLP have ids as labels: {link}"
        );
        let label = link["matcherRegex"]
            .as_str()
            .context("a derived field without a matcher")?;
        let value = record.label(label);
        ensure!(
            !value.is_empty(),
            "the record has no label {label:?}: {record:#?}"
        );
        let values = Values::from([("__value.raw", value.to_owned())]);
        let target = interpolate(link["url"].as_str().unwrap_or_default(), &values);
        if leads_to(sources, link, "jaeger") {
            let trace = servers.jaeger.trace(&target).await?;
            trace.must_equal("the record's trace", trace.value.id.as_str(), value)?;
        } else {
            error_page_shows_the_issue(servers, run, link, &target, value).await?;
        }
    }
    Ok(())
}

/// The page lists the issue of this trace, and not whatever else there is.
async fn error_page_shows_the_issue(
    servers: &Servers,
    run: &Run,
    link: &Value,
    target: &str,
    trace: &str,
) -> Result<()> {
    let reported = eventually(
        "the load's issue in Bugsink",
        ARRIVAL,
        || servers.bugsink.reported(run),
        |issues| issues.iter().any(|reported| reported.events.len() == 5),
    )
    .await?;
    let issue = &reported.value.first().context("waited for above")?.issue;
    let lists_it = |page: &String| page.contains(&issue.id);
    servers.bugsink.page(target).await?.must(
        &format!(
            "link {} lists the issue {} {}",
            link["name"], issue.id, issue.value
        ),
        lists_it,
    )?;
    let other = target.replace(trace, &"0".repeat(trace.len()));
    servers
        .bugsink
        .page(&other)
        .await?
        .must("the same page for another trace lists nothing", |page| {
            !lists_it(page)
        })
}

async fn traces_lead_to_logs(
    servers: &Servers,
    run: &Run,
    record: &Record,
    sources: &Sources,
) -> Result<()> {
    let jaeger = sources
        .values()
        .find(|source| source["type"] == "jaeger")
        .context("no Jaeger")?;
    let link = &jaeger["jsonData"]["tracesToLogsV2"];
    ensure!(
        leads_to(sources, link, "loki"),
        "a span leads to no Loki: {link}"
    );
    let query = link["query"]
        .as_str()
        .context("tracesToLogsV2 without a query")?;
    let trace = record.label("trace_id");
    let values = Values::from([
        ("__trace.traceId", trace.to_owned()),
        ("__span.traceId", trace.to_owned()),
        ("__span.spanId", record.label("span_id").to_owned()),
    ]);
    let found = servers
        .loki
        .query(&interpolate(query, &values), run)
        .await?;
    found.must("the span's record, and of no other trace", |records| {
        !records.is_empty()
            && records
                .iter()
                .all(|record| record.label("trace_id") == trace)
    })
}

async fn traces_lead_to_metrics(servers: &Servers, sources: &Sources) -> Result<()> {
    for query in links(sources, "jaeger", "/tracesToMetrics/queries")? {
        let values = Values::from([
            ("__span.name", Route::Payments.span()),
            ("__rate_interval", "5m".to_owned()),
        ]);
        let query = interpolate(query["query"].as_str().unwrap_or_default(), &values);
        eventually(
            &format!("data behind a span's link to {query}"),
            ARRIVAL,
            || servers.prometheus.query(&query),
            |samples| samples.iter().any(|sample| !sample.value.is_nan()),
        )
        .await?;
    }
    Ok(())
}

/// Links of panels open Grafana's explore page with queries in the address.
async fn panels_lead_to_traces(servers: &Servers, run: &Run, sources: &Sources) -> Result<()> {
    let values = Values::from([
        ("__field.labels.service_name", run.service.clone()),
        ("__field.labels.http_route", Route::Payments.template()),
        ("__field.labels.http_request_method", "GET".to_owned()),
        ("__from", run.window().0.as_millis().to_string()),
        ("__to", run.window().1.as_millis().to_string()),
    ]);
    for dashboard in grafana::dashboards()? {
        for link in dashboard.links() {
            let address = Url::parse("http://grafana")?.join(&interpolate(&link, &values))?;
            ensure!(
                address.path() == "/explore",
                "a link of a panel that is not checked: {link}"
            );
            let panes = address
                .query_pairs()
                .find(|(name, _)| name == "panes")
                .with_context(|| format!("no panes in {link}"))?
                .1;
            let panes: BTreeMap<String, Value> = serde_json::from_str(&panes)
                .with_context(|| format!("panes are no JSON: {panes}"))?;
            for pane in panes.values() {
                let uid = pane["datasource"].as_str().unwrap_or_default();
                ensure!(
                    sources.contains_key(uid),
                    "a link to the unknown data source {uid:?}: {link}"
                );
                for query in pane["queries"].as_array().into_iter().flatten() {
                    explore_finds_traces(servers, query).await?;
                }
            }
        }
    }
    Ok(())
}

/// Grafana sends its search form's tags, which are `key=value` words, to Jaeger as JSON.
async fn explore_finds_traces(servers: &Servers, query: &Value) -> Result<()> {
    ensure!(
        query["queryType"] == "search",
        "a link that does not search: {query}"
    );
    let text = |key: &str| query[key].as_str().unwrap_or_default();
    let tags: BTreeMap<&str, &str> = text("tags")
        .split_whitespace()
        .filter_map(|tag| tag.split_once('='))
        .collect();
    let tags = serde_json::to_string(&tags)?;
    let limit = query["limit"].to_string();
    let parameters = [
        ("service", text("service")),
        ("tags", &tags),
        ("limit", &limit),
    ];
    let found = servers.jaeger.search(&parameters).await?;
    found.must("the traces of the series that was clicked", |traces| {
        traces.len() == 5
    })
}
