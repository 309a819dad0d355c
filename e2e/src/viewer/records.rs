//! Log records in Loki's words: what is not the line is text under a name without dots, and
//! the collector has made two changes of its own.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::Value;
use throughline_receiver::proto::logs::v1::LogRecord;
use throughline_viewer_tests::stored::{Database, Stored, any, hexadecimal, object};

use crate::{
    loki::Loki,
    run::Run,
    wait::{ARRIVAL, eventually},
};

/// From this severity on a record is an error.
const ERROR: i32 = 17;

/// A record's time, its line, and all else by name.
type Entry = (String, String, BTreeMap<String, String>);

/// Waits until Loki has each record that is stored of a service, as it is stored, and no other.
/// Returns how many there are.
///
/// # Errors
/// If they differ, with what each has.
pub async fn are_equal(loki: &Loki, database: &Database, run: &Run) -> Result<usize> {
    let stored = database.records(&run.service)?;
    let mut ours: Vec<Entry> = stored.iter().map(shown).collect();
    ours.sort();
    let found = eventually(
        &format!("the {} records of {} in Loki", ours.len(), run.service),
        ARRIVAL,
        || loki.records(run),
        |records| records.len() >= ours.len(),
    )
    .await?;
    let mut theirs: Vec<Entry> = found
        .value
        .iter()
        .map(|record| {
            let mut labels = record.labels.clone();
            // Loki's own guess.
            labels.remove("detected_level");
            (record.time.clone(), record.line.clone(), labels)
        })
        .collect();
    theirs.sort();
    for (theirs, ours) in theirs.iter().zip(&ours) {
        found.must_equal("a record", theirs, ours)?;
    }
    found.must_equal("records", theirs.len(), ours.len())?;
    Ok(ours.len())
}

fn shown(record: &Stored<LogRecord>) -> Entry {
    let mut labels = BTreeMap::new();
    let number = |number: i64| Value::from(number);
    let text = |text: &str| Value::from(text);
    // What is zero or empty is not there.
    for (name, value) in [
        ("scope_name", text(&record.scope.name)),
        ("scope_version", text(&record.scope.version)),
        (
            "scope_dropped_attributes_count",
            number(record.scope.dropped_attributes_count.into()),
        ),
        ("severity_number", number(record.severity_number.into())),
        ("severity_text", text(&record.severity_text)),
        ("trace_id", text(&hexadecimal(&record.trace_id))),
        ("span_id", text(&hexadecimal(&record.span_id))),
        ("flags", number(record.flags.into())),
        (
            "dropped_attributes_count",
            number(record.dropped_attributes_count.into()),
        ),
        // The collector's.
        ("event_name", text(&record.event_name)),
    ] {
        if value != 0 && value != "" {
            add(&mut labels, name, &value);
        }
    }
    // Where there is no other time it is the entry's.
    if record.time_unix_nano > 0 && record.observed_time_unix_nano > 0 {
        let observed = Value::from(record.observed_time_unix_nano);
        add(&mut labels, "observed_timestamp", &observed);
    }
    add(&mut labels, "", &object(&record.resource.attributes));
    add(&mut labels, "", &object(&record.scope.attributes));
    add(&mut labels, "", &object(&record.attributes));
    let mut line = words(&any(record.body.as_ref()));
    // The collector's, too: an error is a stream, and Loki bounds attributes but not lines.
    if record.severity_number >= ERROR {
        labels
            .entry("log_category".to_owned())
            .or_insert_with(|| "error".to_owned());
    }
    if let Some(stacktrace) = labels.remove("exception_stacktrace") {
        line = format!("{line}\n{stacktrace}");
    }
    let time = match record.time_unix_nano {
        0 => record.observed_time_unix_nano,
        time => time,
    };
    (time.to_string(), line, labels)
}

/// Adds a value by its name; a map's values by theirs.
fn add(labels: &mut BTreeMap<String, String>, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(map) if !map.contains_key("bytes") => {
            for (key, value) in map {
                let joined = if name.is_empty() {
                    key.clone()
                } else {
                    format!("{name}_{key}")
                };
                add(labels, &joined, value);
            }
        }
        value => {
            let valid = |character: char| character.is_ascii_alphanumeric() || character == '_';
            let name = name.replace(|character| !valid(character), "_");
            labels.insert(name, words(value));
        }
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(map) if map.contains_key("bytes") => words(&map["bytes"]),
        other => other.to_string(),
    }
}
