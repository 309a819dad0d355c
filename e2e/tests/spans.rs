//! A span in Jaeger: its attributes with their types, its kind, its status, its resource, and
//! the spans that it names.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use throughline_e2e::{
    ask::Answer,
    failure::Outcome,
    jaeger::{Span, Trace},
    run::Run,
    specimen::{PAYMENTS, Specimen, VERSION},
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};

#[tokio::test]
async fn spans_keep_types_kind_status_resource_and_the_spans_they_name() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("spans");
    Specimen::emitted(&run, &servers).await?;
    a_request_goes_on_in_another_task(&servers, &run).await?;
    an_error_is_the_status_with_its_description(&servers, &run).await?;
    a_link_leads_into_another_trace(&servers, &run).await?;
    Ok(())
}

async fn a_request_goes_on_in_another_task(servers: &Servers, run: &Run) -> Result<()> {
    let traces = of(servers, run, "GET /specimens/{id}", 1).await?;
    let trace = &traces.value[0];
    traces.must_equal("spans", trace.spans.len(), 2)?;
    let root = trace.root().context("no root")?;
    traces.must_equal("root", root.name.as_str(), "GET /specimens/{id}")?;
    let expected = [
        ("otel.scope.name", ("string", json!("throughline"))),
        ("request.id", ("string", json!("request-7"))),
        ("span.kind", ("string", json!("server"))),
        ("specimen.float", ("float64", json!(7.5))),
        ("specimen.integer", ("int64", json!(7))),
        ("specimen.late", ("int64", json!(8))),
        ("specimen.text", ("string", json!("seven"))),
        ("specimen.truth", ("bool", json!(true))),
        ("user.id", ("string", json!("alice"))),
    ];
    traces.must_equal("attributes", told(root), BTreeMap::from(expected))?;

    let child = trace.span("query").context("no child")?;
    let parent = child.parent().context("no parent")?;
    traces.must_equal(
        "parent of what runs in the other task",
        (&parent.trace, &parent.span),
        (&trace.id, &root.id),
    )?;
    let expected = [
        ("otel.scope.name", ("string", json!("throughline"))),
        ("request.id", ("string", json!("request-7"))),
        ("span.kind", ("string", json!("client"))),
        ("user.id", ("string", json!("alice"))),
    ];
    traces.must_equal("attributes", told(child), BTreeMap::from(expected))?;

    let process = trace.process(root).context("no process")?;
    traces.must_equal("service", &process.service, &run.service)?;
    let tags = process.tags();
    for (key, expected) in [
        ("service.version", json!(VERSION)),
        ("deployment.environment.name", json!(run.environment)),
        ("telemetry.distro.name", json!("throughline")),
        ("telemetry.sdk.language", json!("rust")),
        ("process.executable.name", json!("specimen")),
    ] {
        traces.must_equal(key, tags.get(key), Some(&("string", expected)))?;
    }
    let pid = tags.get("process.pid").map(|(kind, _)| *kind);
    traces.must_equal("type of process.pid", pid, Some("int64"))
}

async fn an_error_is_the_status_with_its_description(servers: &Servers, run: &Run) -> Result<()> {
    for payment in PAYMENTS {
        let traces = of(servers, run, payment.span, 1).await?;
        let span = traces.value[0].root().context("no root")?;
        for (key, expected) in [
            ("otel.status_code", ("string", json!("ERROR"))),
            (
                "otel.status_description",
                ("string", json!(payment.message())),
            ),
            ("error", ("bool", json!(true))),
        ] {
            traces.must_equal(key, told(span).remove(key), Some(expected))?;
        }
    }

    let traces = of(servers, run, "break", 1).await?;
    let span = traces.value[0].root().context("no root")?;
    let status = ["otel.status_code", "otel.status_description"].map(|key| span.tag(key));
    let expected = ["ERROR", "the specimen is broken"].map(|text| Some(text.to_owned()));
    traces.must_equal("status after a panic", status, expected)
}

async fn a_link_leads_into_another_trace(servers: &Servers, run: &Run) -> Result<()> {
    let sent = of(servers, run, "send", 1).await?;
    let sent_span = sent.value[0].root().context("no root")?;
    let processed = of(servers, run, "process", 1).await?;
    let span = processed.value[0].root().context("no root")?;
    let kinds = [sent_span, span].map(|span| span.tag("span.kind"));
    let expected = ["producer", "consumer"].map(|kind| Some(kind.to_owned()));
    processed.must_equal("kinds", kinds, expected)?;
    let links: Vec<_> = span
        .links()
        .iter()
        .map(|link| (link.trace.as_str(), link.span.as_str()))
        .collect();
    let expected = [(sent.value[0].id.as_str(), sent_span.id.as_str())];
    processed.must_equal("links", links, expected)
}

/// The run's traces with a span of this name, once there are so many.
async fn of(servers: &Servers, run: &Run, span: &str, count: usize) -> Result<Answer<Vec<Trace>>> {
    let traces = eventually(
        &format!("{count} traces of {span} in Jaeger"),
        ARRIVAL,
        || servers.jaeger.traces(run, span),
        |traces| traces.len() >= count,
    )
    .await?;
    traces.must_equal("traces", traces.value.len(), count)?;
    Ok(traces)
}

/// The attributes without those of the place in the code.
fn told(span: &Span) -> BTreeMap<&str, (&str, Value)> {
    let mut tags = span.tags();
    tags.retain(|key, _| !key.starts_with("code.") && !key.starts_with("thread."));
    tags
}
