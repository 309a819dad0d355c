//! What `throughline dev` has acknowledged reaches the collector, whenever that is there.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use throughline_e2e::{
    failure::Outcome,
    run::Run,
    stack::{Servers, servers},
    viewer::{self, metrics, records, traces},
};
use throughline_viewer_tests::{Dev, otlp};
use uuid::Uuid;

/// How many requests of each signal are sent at each of three times.
const EACH: usize = 20;

#[tokio::test]
async fn what_came_while_the_collector_was_away_is_passed_on_once_it_is_back() -> Outcome {
    let servers = servers().await?;
    let dev = viewer::forwarding(&servers).await?;
    let run = Run::new("viewer-outage");
    send(&dev, &run, 0).await?;
    servers.container("collector", "stop").await?;
    let meanwhile = async {
        send(&dev, &run, 1).await?;
        // Now what waits is only on the disk.
        let dev = dev.kill_and_restart().await?;
        send(&dev, &run, 2).await?;
        anyhow::Ok(dev)
    }
    .await;
    // First of all the stack is made whole again, for the tests that follow.
    servers.container("collector", "start").await?;
    servers.ready().await?;
    let dev = meanwhile?;
    all_has_come(&servers, &dev, &run).await?;
    Ok(())
}

async fn send(dev: &Dev, run: &Run, time: usize) -> Result<()> {
    let client = otlp::Client::new(dev, &run.service);
    for number in time * EACH..(time + 1) * EACH {
        let trace = Uuid::new_v4().simple().to_string();
        let span = otlp::span(
            &trace,
            &format!("{:016x}", 1 + number),
            "",
            "GET /",
            Duration::ZERO,
            Duration::from_millis(5),
        );
        client.spans(&[span]).await?;
        let mut record = otlp::record("INFO", &format!("record {number}"), &json!({}));
        record["traceId"] = Value::from(trace);
        client.records(&[record]).await?;
        let value = i64::try_from(number)?;
        client
            .metrics(&[otlp::sum("requests", "{request}", value, &json!({}))])
            .await?;
    }
    Ok(())
}

async fn all_has_come(servers: &Servers, dev: &Dev, run: &Run) -> Result<()> {
    let database = dev.database()?;
    let spans = traces::are_equal(&servers.jaeger, &database, run).await?;
    let records = records::are_equal(&servers.loki, &database, run).await?;
    let series = metrics::are_equal(&servers.prometheus, &database, run).await?;
    ensure!(
        (spans, records, series) == (3 * EACH, 3 * EACH, 1),
        "{spans} spans, {records} records, {series} series"
    );
    Ok(())
}
