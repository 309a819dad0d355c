//! Metrics in Prometheus' words: names and units in one word, a classic histogram as many
//! series, an exponential one as a native one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use throughline_receiver::proto::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets,
};
use throughline_viewer_tests::stored::{Database, Series, Value, any};

use crate::{
    prometheus::{Native, Prometheus, Reading},
    run::Run,
    wait::{ARRIVAL, eventually},
};

/// What Prometheus adds to a series that says what it is of.
const TARGET: [&str; 6] = [
    "job",
    "instance",
    "service_name",
    "service_namespace",
    "service_version",
    "deployment_environment_name",
];

/// What the collector and the rules of Prometheus make of a service by themselves.
const THEIRS: &str = r#"__name__!~"target_info|traces_span_metrics_.*|.*:.*""#;

/// The readings by name and labels.
type Readings = BTreeMap<BTreeMap<String, String>, Reading>;

/// Waits until Prometheus has each series that is stored of a service with its last value, and
/// no other. Returns how many it has.
///
/// # Errors
/// If they differ, with what each has.
pub async fn are_equal(prometheus: &Prometheus, database: &Database, run: &Run) -> Result<usize> {
    let mut ours = Readings::new();
    for series in database.series(&run.service)? {
        readings(&series, &mut ours)?;
    }
    let query = format!(r#"{{service_name="{}",{THEIRS}}}"#, run.service);
    let found = eventually(
        &format!("the {} series of {} in Prometheus", ours.len(), run.service),
        ARRIVAL,
        || prometheus.readings(&query),
        |found| found.len() >= ours.len() && without_target(found) == ours,
    )
    .await;
    if let Err(error) = found {
        // The whole answer is too long to see in it what differs.
        let found = without_target(&prometheus.readings(&query).await?.value);
        let names: BTreeSet<_> = found.keys().chain(ours.keys()).collect();
        let differ: Vec<_> = names
            .into_iter()
            .filter(|name| found.get(*name) != ours.get(*name))
            .map(|name| (name, found.get(name), ours.get(name)))
            .collect();
        bail!("series, what Prometheus has, what is stored: {differ:#?}\n{error:#}");
    }
    Ok(ours.len())
}

fn without_target(found: &[(BTreeMap<String, String>, Reading)]) -> Readings {
    let named = found.iter().map(|(labels, reading)| {
        let mut labels = labels.clone();
        labels.retain(|name, _| !TARGET.contains(&name.as_str()));
        (labels, reading.clone())
    });
    named.collect()
}

#[allow(clippy::cast_precision_loss)]
fn readings(series: &Series, all: &mut Readings) -> Result<()> {
    let name = name(series);
    let mut add = |suffix: &str, more: Option<(&str, f64)>, reading: Reading| {
        let mut labels = BTreeMap::from([("__name__".to_owned(), format!("{name}{suffix}"))]);
        for attribute in &series.attributes {
            let value = any(attribute.value.as_ref());
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            labels.insert(word(&attribute.key), text);
        }
        labels.extend(more.map(|(label, number)| (label.to_owned(), bound(number))));
        all.insert(labels, reading);
    };
    match &series.value {
        Value::Number(value) => add("", None, Reading::Number(*value)),
        Value::Histogram(point) => {
            let mut below = 0;
            let bounds = point.explicit_bounds.iter().copied();
            for (count, upper) in point
                .bucket_counts
                .iter()
                .zip(bounds.chain([f64::INFINITY]))
            {
                below += count;
                add(
                    "_bucket",
                    Some(("le", upper)),
                    Reading::Number(below as f64),
                );
            }
            add("_count", None, Reading::Number(point.count as f64));
            add("_sum", None, Reading::Number(point.sum.unwrap_or_default()));
        }
        Value::Exponential(point) => add("", None, Reading::Native(native(point))),
        Value::Summary(point) => {
            for quantile in &point.quantile_values {
                let which = Some(("quantile", quantile.quantile));
                add("", which, Reading::Number(quantile.value));
            }
            add("_count", None, Reading::Number(point.count as f64));
            add("_sum", None, Reading::Number(point.sum));
        }
    }
    Ok(())
}

fn name(series: &Series) -> String {
    let mut name = word(&series.name);
    let unit = match series.unit.as_str() {
        "By" => "bytes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "1" if !series.monotonic => "ratio",
        "1" => "",
        // What is counted is no unit.
        unit if unit.starts_with('{') => "",
        unit => unit,
    };
    if !unit.is_empty() && !name.split('_').any(|part| part == unit) {
        name = format!("{name}_{unit}");
    }
    if series.monotonic && !name.ends_with("_total") {
        name = format!("{name}_total");
    }
    name
}

fn word(name: &str) -> String {
    name.replace(|character: char| !character.is_ascii_alphanumeric(), "_")
}

fn bound(number: f64) -> String {
    if number.is_infinite() {
        "+Inf".to_owned()
    } else {
        number.to_string()
    }
}

/// Each bucket reaches from one power of the base to the next.
#[allow(clippy::cast_precision_loss)]
fn native(point: &ExponentialHistogramDataPoint) -> Native {
    let base = 2_f64.powf(2_f64.powi(-point.scale));
    let filled = |buckets: &Option<Buckets>| -> Vec<(i32, u64)> {
        let Some(buckets) = buckets else {
            return Vec::new();
        };
        let counts = (buckets.offset..).zip(buckets.bucket_counts.iter().copied());
        counts.filter(|(_, count)| *count > 0).collect()
    };
    let mut buckets: Vec<(f64, f64)> = filled(&point.negative)
        .into_iter()
        .rev()
        .map(|(index, count)| (-base.powi(index), count as f64))
        .collect();
    if point.zero_count > 0 {
        buckets.push((1e-128, point.zero_count as f64));
    }
    let positive = filled(&point.positive).into_iter();
    buckets.extend(positive.map(|(index, count)| (base.powi(index + 1), count as f64)));
    Native {
        count: point.count as f64,
        sum: point.sum.unwrap_or_default(),
        buckets,
    }
}
