//! A log record in Loki: which of it is a label, which is structured metadata, and what the
//! line is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use throughline_e2e::{
    ask::Answer,
    failure::Outcome,
    loki::Record,
    run::Run,
    specimen::{NAMESPACE, RECORDS, Specimen, VERSION},
    stack::servers,
    wait::{ARRIVAL, eventually},
};

#[tokio::test]
async fn records_keep_what_they_say_and_only_bounded_values_are_labels() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("records");
    Specimen::emitted(&run, &servers).await?;
    let records = eventually(
        &format!("{RECORDS} records in Loki"),
        ARRIVAL,
        || servers.loki.records(&run),
        |records| records.len() >= RECORDS,
    )
    .await?;
    records.must_equal("records", records.value.len(), RECORDS)?;

    each_level_has_its_severity(&records)?;
    fields_and_ids_are_structured_metadata(&records, &run)?;
    an_exception_keeps_type_message_and_chain(&records)?;
    a_panic_keeps_its_stack_trace(&records)?;

    let streams = servers.loki.streams(&run).await?;
    // A stream for each category and no more: what varies would make a stream a value.
    let stream = |category: Option<&str>| {
        let labels = [
            ("service_name", Some(run.service.as_str())),
            ("service_namespace", Some(NAMESPACE)),
            ("deployment_environment_name", Some(&run.environment)),
            ("log_category", category),
        ];
        let given = labels
            .into_iter()
            .filter_map(|(label, value)| Some((label.to_owned(), value?.to_owned())));
        given.collect::<BTreeMap<_, _>>()
    };
    let expected = [None, Some("error"), Some("security"), Some("job")];
    let found: BTreeSet<_> = streams.value.iter().cloned().collect();
    let expected: BTreeSet<_> = expected.into_iter().map(stream).collect();
    Ok(streams.must_equal("streams", found, expected)?)
}

fn each_level_has_its_severity(records: &Answer<Vec<Record>>) -> Result<()> {
    for (level, number, category) in [
        ("TRACE", "1", ""),
        ("DEBUG", "5", ""),
        ("INFO", "9", ""),
        ("WARN", "13", ""),
        ("ERROR", "17", "error"),
        ("FATAL", "21", "error"),
    ] {
        let record = the_one(records, |record| record.line == format!("level {level}"))?;
        let labels = ["severity_text", "severity_number", "log_category"];
        let found = labels.map(|label| record.label(label));
        records.must_equal(&record.line, found, [level, number, category])?;
    }
    Ok(())
}

fn fields_and_ids_are_structured_metadata(records: &Answer<Vec<Record>>, run: &Run) -> Result<()> {
    let record = the_one(records, |record| {
        record.label("event_name") == "specimen.recorded"
    })?;
    records.must_equal("body", record.line.as_str(), "specimen 7 recorded")?;
    for (label, expected) in [
        ("scope_name", "specimen"),
        ("user_id", "alice"),
        ("request_id", "request-7"),
        ("specimen_text", "seven"),
        ("specimen_integer", "7"),
        ("specimen_float", "7.5"),
        ("specimen_truth", "true"),
        ("code_file_path", "e2e/src/bin/specimen.rs"),
        ("flags", "1"),
        ("service_name", &run.service),
        ("service_version", VERSION),
        ("deployment_environment_name", &run.environment),
        ("telemetry_distro_name", "throughline"),
        ("log_category", ""),
    ] {
        records.must_equal(label, record.label(label), expected)?;
    }
    for (id, digits) in [("trace_id", 32), ("span_id", 16)] {
        let value = record.label(id);
        let hex = value.chars().all(|digit| digit.is_ascii_hexdigit());
        records.must_equal(id, (value.len(), hex), (digits, true))?;
    }
    // What the event says itself goes before what is known of the request.
    let record = the_one(records, |record| record.label("log_category") == "security")?;
    for (label, expected) in [
        ("event_name", "auth.login.failed"),
        ("event_severity", "high"),
        ("client_address", "192.0.2.7"),
        ("user_id", "mallory"),
        ("trace_id", ""),
    ] {
        records.must_equal(label, record.label(label), expected)?;
    }
    // An error with a category of its own keeps it.
    let record = the_one(records, |record| record.label("event_name") == "job.failed")?;
    records.must_equal("log_category", record.label("log_category"), "job")
}

fn an_exception_keeps_type_message_and_chain(records: &Answer<Vec<Record>>) -> Result<()> {
    let record = the_one(records, |record| {
        record.label("event_name") == "refund.failed"
    })?;
    for (label, expected) in [
        ("exception_type", "specimen::PaymentError"),
        ("exception_message", "nothing was paid back"),
        // In the line, where no limit of the structured metadata refuses it.
        ("exception_stacktrace", ""),
    ] {
        records.must_equal(label, record.label(label), expected)?;
    }
    let line = "refund failed\nnothing was paid back\n\nCaused by:\n    0: the provider refused\n    \
                1: the connection was lost\n    2: no answer within 5 s";
    records.must_equal("line", record.line.as_str(), line)
}

fn a_panic_keeps_its_stack_trace(records: &Answer<Vec<Record>>) -> Result<()> {
    let record = the_one(records, |record| {
        record.label("exception_message") == "the specimen is broken"
    })?;
    records.must_equal("type", record.label("exception_type"), "panic")?;
    records.must_equal("category", record.label("log_category"), "error")?;
    let (message, trace) = record.line.split_once('\n').context("a line alone")?;
    records.must_equal("message", message, "the specimen is broken")?;
    records.must(
        &format!("the function that panicked is in {trace:?}"),
        |_| trace.contains("specimen::panic"),
    )
}

/// The only record of this kind.
fn the_one(records: &Answer<Vec<Record>>, of_kind: impl Fn(&Record) -> bool) -> Result<&Record> {
    let mut found = records.value.iter().filter(|record| of_kind(record));
    match (found.next(), found.next()) {
        (Some(record), None) => Ok(record),
        (first, second) => {
            let found = [first, second];
            anyhow::bail!("not one record but {found:#?} of:\n{}", records.exchange())
        }
    }
}
