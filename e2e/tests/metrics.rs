//! A metric in Prometheus: its name and unit, its values, and that OTLP brings what the
//! service's own endpoint says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use throughline_e2e::{
    failure::Outcome,
    prometheus::Sample,
    run::Run,
    specimen::{
        DURATIONS, MAX_SERIES, NAMESPACE, OVERFLOWN, PAYMENTS, SIZES, Specimen, TRAFFIC, VERSION,
    },
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};

/// What Prometheus makes of the names and units of what the specimen measures, and of what
/// the SDK measures by itself.
const NAMES: [&str; 28] = [
    "process_cpu_time_seconds_total",
    "process_memory_usage_bytes",
    "process_memory_virtual_bytes",
    "process_thread_count",
    "process_unix_file_descriptor_count",
    "process_uptime_seconds",
    "specimen_body_size_bytes_bucket",
    "specimen_body_size_bytes_count",
    "specimen_body_size_bytes_sum",
    "specimen_cache_hits_ratio",
    "specimen_complete",
    "specimen_orders_total",
    "specimen_queue_length",
    "specimen_sessions_total",
    "specimen_traffic_bytes_total",
    "specimen_wait_duration_seconds_bucket",
    "specimen_wait_duration_seconds_count",
    "specimen_wait_duration_seconds_sum",
    "target_info",
    "throughline_events_total",
    "throughline_export_items_total",
    "throughline_metrics_overflow_total",
    "throughline_queue_bytes",
    "tokio_global_queue_size",
    "tokio_task_count",
    "tokio_worker_busy_time_seconds_total",
    "tokio_worker_count",
    "tokio_worker_park_count_total",
];

/// What Prometheus adds to each series that comes by OTLP, from the resource.
const FROM_RESOURCE: [&str; 6] = [
    "job",
    "instance",
    "service_name",
    "service_namespace",
    "service_version",
    "deployment_environment_name",
];

#[tokio::test]
async fn metrics_have_their_names_and_values_and_are_those_of_the_endpoint() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("metrics");
    let specimen = Specimen::start(&run, &servers, &[]).await?;
    let scraped = specimen.scrape().await?;
    specimen.stop().await?;
    otlp_brings_what_the_endpoint_says(&servers, &run, &scraped.value).await?;
    names_and_units_are_as_they_should(&servers, &run).await?;
    values_are_what_was_measured(&servers, &run).await?;
    Ok(())
}

#[tokio::test]
async fn deltas_add_up_to_what_the_endpoint_says() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("delta");
    let deltas = [
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "delta"),
        // So that there is more than one to add.
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
    ];
    let specimen = Specimen::start(&run, &servers, &deltas).await?;
    let scraped = specimen.scrape().await?;
    specimen.stop().await?;
    otlp_brings_what_the_endpoint_says(&servers, &run, &scraped.value).await?;
    Ok(())
}

#[tokio::test]
async fn an_exponential_histogram_is_a_native_one_and_that_of_the_endpoint() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("native");
    let exponential = [(
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
        "base2_exponential_bucket_histogram",
    )];
    let specimen = Specimen::start(&run, &servers, &exponential).await?;
    let scraped = specimen.scrape().await?;
    specimen.stop().await?;
    let expected = [
        ("specimen_wait_duration_seconds", &DURATIONS[..]),
        ("specimen_body_size_bytes", &SIZES[..]),
    ];
    let query = selector(&run, "specimen_(wait_duration|body_size).*");
    let found = eventually(
        "native histograms, complete and nothing else",
        ARRIVAL,
        || servers.prometheus.native(&query),
        |found| {
            let counts = found.iter().map(|(name, it)| (name.as_str(), it.count));
            counts.eq(expected
                .iter()
                .rev()
                .map(|(name, given)| (*name, given.len() as f64)))
        },
    )
    .await?;
    for (name, given) in expected {
        let native = found.value.get(name).context("waited for above")?;
        found.must_equal(
            &format!("sum of {name}"),
            native.sum,
            given.iter().sum::<f64>(),
        )?;
        // The endpoint's text has the same buckets with the powers of two for bounds.
        let buckets = scraped
            .value
            .iter()
            .filter(|sample| sample.labels["__name__"] == format!("{name}_bucket"));
        let mut bounds = 0;
        for bucket in buckets {
            let bound: f64 = bucket.labels["le"].parse()?;
            let below = given.iter().filter(|value| **value <= bound).count() as f64;
            let both = (native.up_to(bound), bucket.value);
            found.must_equal(&format!("{name} up to {bound}"), both, (below, below))?;
            bounds += 1;
        }
        found.must_equal(
            &format!("bounds of {name}, more than five"),
            bounds > 5,
            true,
        )?;
    }
    Ok(())
}

/// Not what changes by itself between two readings.
async fn otlp_brings_what_the_endpoint_says(
    servers: &Servers,
    run: &Run,
    scraped: &[Sample],
) -> Result<()> {
    // The books of the export change with each export.
    let own = ["specimen_", "throughline_events_", "throughline_metrics_"];
    let scraped = scraped.iter().filter(|sample| {
        let name = &sample.labels["__name__"];
        own.iter().any(|prefix| name.starts_with(prefix))
    });
    let scraped = by_labels(scraped.cloned())?;
    let query = selector(run, "(specimen|throughline_(events|metrics))_.*");
    let ask = async || {
        let samples = servers.prometheus.query(&query).await?;
        samples.try_map(by_labels)
    };
    let what = format!("what the endpoint says: {scraped:#?}");
    eventually(&what, ARRIVAL, ask, |brought| *brought == scraped).await?;
    Ok(())
}

/// Series by their labels, without those of the resource; bounds are numbers, which each
/// side may write in its own way.
fn by_labels(
    samples: impl IntoIterator<Item = Sample>,
) -> Result<BTreeMap<BTreeMap<String, String>, f64>> {
    let series = samples.into_iter().map(|mut sample| {
        sample
            .labels
            .retain(|label, _| !FROM_RESOURCE.contains(&label.as_str()));
        if let Some(bound) = sample.labels.get_mut("le") {
            *bound = bound.parse::<f64>()?.to_string();
        }
        Ok((sample.labels, sample.value))
    });
    series.collect()
}

async fn names_and_units_are_as_they_should(servers: &Servers, run: &Run) -> Result<()> {
    let of_service = selector(run, ".+");
    let names = servers
        .prometheus
        .label_values("__name__", Some(&of_service), run.window())
        .await?;
    let found: BTreeSet<_> = names
        .value
        .iter()
        .map(String::as_str)
        // The collector's, of the spans.
        .filter(|name| !name.starts_with("traces_span_metrics_"))
        .collect();
    names.must_equal("names", found, BTreeSet::from(NAMES))
}

async fn values_are_what_was_measured(servers: &Servers, run: &Run) -> Result<()> {
    let of = |metric: &str, labels: &str| {
        format!(r#"{metric}{{service_name="{}",{labels}}}"#, run.service)
    };
    let sessions = of("specimen_sessions_total", "");
    let overflow = of("specimen_sessions_total", r#"otel_metric_overflow="true""#);
    // The overflow's own series takes one of the places.
    let folded = OVERFLOWN + 1;
    for (query, expected) in [
        (of("specimen_orders_total", r#"route="/orders/{id}""#), 3.0),
        (of("specimen_orders_total", r#"route="a \"b\"\\c""#), 4.0),
        (of("specimen_traffic_bytes_total", ""), TRAFFIC as f64),
        (of("specimen_queue_length", ""), -2.5),
        (of("specimen_cache_hits_ratio", ""), 0.75),
        (
            of("specimen_wait_duration_seconds_sum", ""),
            DURATIONS.iter().sum(),
        ),
        (
            of("specimen_wait_duration_seconds_bucket", r#"le="0.25""#),
            2.0,
        ),
        (of("specimen_body_size_bytes_count", ""), SIZES.len() as f64),
        (
            of("specimen_body_size_bytes_bucket", r#"le="+Inf""#),
            SIZES.len() as f64,
        ),
        (format!("count({sessions})"), MAX_SERIES as f64),
        (format!("sum({sessions})"), (MAX_SERIES + OVERFLOWN) as f64),
        (overflow, folded as f64),
        (
            of(
                "throughline_metrics_overflow_total",
                r#"metric_name="specimen.sessions""#,
            ),
            folded as f64,
        ),
        (
            of("throughline_events_total", r#"event_name="payment.failed""#),
            PAYMENTS.len() as f64,
        ),
        (
            of(
                "throughline_events_total",
                r#"event_name="auth.login.failed",log_category="security",event_severity="high""#,
            ),
            1.0,
        ),
        // What the series of every service can be told apart by.
        (
            format!(
                r#"count({})"#,
                of(
                    "specimen_complete",
                    &format!(
                        r#"job="{NAMESPACE}/{}",service_namespace="{NAMESPACE}",service_version="{VERSION}",deployment_environment_name="{}""#,
                        run.service, run.environment
                    )
                )
            ),
            1.0,
        ),
        // In the units that their names say: bytes and not pages, seconds and not ticks.
        (of("process_memory_usage_bytes", "") + " > bool 1e6", 1.0),
        (of("process_uptime_seconds", "") + " < bool 60", 1.0),
        (
            format!(
                "sum({}) < bool 60",
                of("process_cpu_time_seconds_total", "")
            ),
            1.0,
        ),
        (
            of("tokio_worker_count", r#"tokio_runtime_name="main""#) + " > bool 0",
            1.0,
        ),
    ] {
        let samples = servers.prometheus.query(&query).await?;
        let found: Vec<_> = samples.value.iter().map(|sample| sample.value).collect();
        samples.must_equal(&query, found, vec![expected])?;
    }
    Ok(())
}

fn selector(run: &Run, name: &str) -> String {
    format!(r#"{{service_name="{}",__name__=~"{name}"}}"#, run.service)
}
