//! Errors in Bugsink: which are one issue, what an event tells, and the way from it to the
//! record in Loki and the span in Jaeger.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use throughline_e2e::{
    ask::Answer,
    bugsink::Reported,
    failure::Outcome,
    run::Run,
    specimen::{ERRORS, PAYMENTS, Payment, Specimen, VERSION},
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};

type Issues = Answer<Vec<Reported>>;

#[tokio::test]
async fn one_kind_of_failure_is_one_issue_whatever_its_messages() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("errors");
    Specimen::emitted(&run, &servers).await?;
    let issues = eventually(
        &format!("{ERRORS} events of release {} in Bugsink", run.release),
        ARRIVAL,
        || servers.bugsink.reported(&run),
        |issues| count(issues) >= ERRORS,
    )
    .await?;
    issues.must_equal("events", count(&issues.value), ERRORS)?;

    let payments = issue(&issues, |event| {
        event["tags"]["event.name"] == "payment.failed"
    })?;
    issues.must_equal(
        "title",
        payments.issue.kind.as_str(),
        "specimen::PaymentError",
    )?;
    issues.must_equal("payments", payments.events.len(), PAYMENTS.len())?;
    for payment in PAYMENTS {
        let event = payments
            .events
            .iter()
            .find(|event| event["extra"]["payment.id"] == payment.id)
            .with_context(|| format!("no event of {payment:?}: {payments:#?}"))?;
        tells_the_whole_chain(&issues, event, payment)?;
        leads_to_record_and_span(&servers, &run, event, payment).await?;
    }

    // The same type of error, but another event; and what has no type that could be known.
    let refunds = issue(&issues, |event| {
        event["tags"]["event.name"] == "refund.failed"
    })?;
    issues.must_equal(
        "title",
        refunds.issue.kind.as_str(),
        "specimen::PaymentError",
    )?;
    issues.must_equal("refunds", refunds.events.len(), 1)?;

    let panics = issue(&issues, |event| {
        event["message"] == "the specimen is broken"
    })?;
    issues.must_equal("title", panics.issue.kind.as_str(), "panic")?;
    issues.must_equal("panics", panics.events.len(), 1)?;
    let event = &panics.events[0];
    issues.must_equal("level", &event["level"], &json!("fatal"))?;
    let thrown = &event["exception"]["values"][0];
    issues.must_equal("handled", &thrown["mechanism"]["handled"], &json!(false))?;
    let frames = thrown["stacktrace"]["frames"].as_array();
    let last = frames
        .and_then(|frames| frames.last())
        .context("no stack")?;
    let function = last["function"].as_str().unwrap_or_default();
    issues.must(&format!("{function:?} is where it panicked"), |_| {
        function.contains("specimen::panic")
    })?;
    let runtime = frames.into_iter().flatten().find(|frame| {
        let function = frame["function"].as_str().unwrap_or_default();
        function.starts_with("tokio::runtime::")
    });
    let runtime = runtime.context("no frame of the runtime")?;
    let in_app = [last, runtime].map(|frame| &frame["in_app"]);
    issues.must_equal(
        "frames of the service",
        in_app,
        [&json!(true), &json!(false)],
    )?;
    Ok(())
}

/// The error and its three sources, the root cause first, as Sentry wants it.
fn tells_the_whole_chain(issues: &Issues, event: &Value, payment: Payment) -> Result<()> {
    let exceptions = event["exception"]["values"].as_array();
    let found: Vec<_> = exceptions
        .into_iter()
        .flatten()
        .map(|exception| (&exception["type"], &exception["value"]))
        .collect();
    let expected = [
        ("Error", "no answer within 5 s".to_owned()),
        ("Error", "the connection was lost".to_owned()),
        ("Error", "the provider refused".to_owned()),
        ("specimen::PaymentError", payment.error()),
    ];
    let expected = expected.map(|(kind, value)| (json!(kind), json!(value)));
    let expected: Vec<_> = expected.iter().map(|(kind, value)| (kind, value)).collect();
    issues.must_equal("exceptions", found, expected)?;
    for (key, expected) in [
        ("message", payment.message()),
        ("transaction", payment.span.to_owned()),
        ("logger", "specimen".to_owned()),
        ("environment", "e2e".to_owned()),
    ] {
        issues.must_equal(key, &event[key], &json!(expected))?;
    }
    Ok(())
}

async fn leads_to_record_and_span(
    servers: &Servers,
    run: &Run,
    event: &Value,
    payment: Payment,
) -> Result<()> {
    let id = payment.id.to_string();
    let trace = &event["contexts"]["trace"];
    let of = |key: &str| trace[key].as_str().unwrap_or_default();
    let records = eventually(
        &format!("the record of {payment:?} in Loki"),
        ARRIVAL,
        || servers.loki.records(run),
        |records| {
            records
                .iter()
                .any(|record| record.label("payment_id") == id)
        },
    )
    .await?;
    let records = records.map(|mut records| {
        records.retain(|record| record.label("trace_id") == of("trace_id"));
        records
    });
    let [record] = &records.value[..] else {
        return records.must_equal("records of the event's trace", records.value.len(), 1);
    };
    records.must_equal("payment", record.label("payment_id"), id.as_str())?;
    records.must_equal("span", record.label("span_id"), of("span_id"))?;
    records.must_equal("version", record.label("service_version"), VERSION)?;
    for source in [
        "the provider refused",
        "the connection was lost",
        "no answer within 5 s",
    ] {
        let in_line = record.line.contains(source);
        records.must_equal(&format!("{source:?} in the chain"), in_line, true)?;
    }

    let found = eventually(
        &format!("the trace of {payment:?} in Jaeger"),
        ARRIVAL,
        || servers.jaeger.trace(of("trace_id")),
        |trace| !trace.spans.is_empty(),
    )
    .await?;
    let span = found.value.span(payment.span).context("no span")?;
    found.must_equal("span", span.id.as_str(), of("span_id"))?;
    let status = span.tag("otel.status_code");
    found.must_equal("status", status.as_deref(), Some("ERROR"))
}

/// The only issue with events of this kind; all of its events are.
fn issue(issues: &Issues, of_kind: impl Fn(&Value) -> bool) -> Result<&Reported> {
    let mut found = issues
        .value
        .iter()
        .filter(|reported| reported.events.iter().any(&of_kind));
    match (found.next(), found.next()) {
        (Some(reported), None) if reported.events.iter().all(&of_kind) => Ok(reported),
        (first, second) => bail!("not an issue of its own: {:#?}", [first, second]),
    }
}

fn count(issues: &[Reported]) -> usize {
    issues.iter().map(|reported| reported.events.len()).sum()
}
