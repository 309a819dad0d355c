//! A service that is told to stop loses nothing of what it answered.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use throughline_e2e::{
    failure::Outcome,
    jaeger,
    load::{Load, Route},
    quickstart::Quickstart,
    run::Run,
    service::{Options, Protocol},
    stack::servers,
    wait::{ARRIVAL, eventually},
};

/// How many answers there are before the service is told to stop.
const ANSWERS_BEFORE: usize = 100;

#[tokio::test]
async fn sigterm_in_the_middle_of_a_load_loses_nothing_that_was_answered_by_grpc() -> Outcome {
    Ok(nothing_is_lost(Run::new("sigterm-grpc"), Protocol::Grpc).await?)
}

#[tokio::test]
async fn sigterm_in_the_middle_of_a_load_loses_nothing_that_was_answered_by_http() -> Outcome {
    Ok(nothing_is_lost(Run::new("sigterm-http"), Protocol::Http).await?)
}

async fn nothing_is_lost(run: Run, protocol: Protocol) -> Result<()> {
    let servers = servers().await?;
    let quickstart = Quickstart::start(
        &run,
        &servers,
        Options {
            protocol,
            sentry: false,
        },
    )
    .await?;
    let mut load = Load::on(quickstart.address()).run(&Route::ALL);
    let mut answered: BTreeMap<Route, BTreeSet<String>> = BTreeMap::new();
    for count in 0..ANSWERS_BEFORE {
        let Some(request) = load.next().await else {
            bail!("the load ended after {count} answers, before the service was to stop");
        };
        answered
            .entry(request.route)
            .or_default()
            .insert(request.id.to_string());
    }
    quickstart.terminate()?;
    // The load goes on until the service refuses it, so requests are under way throughout.
    while let Some(request) = load.next().await {
        answered
            .entry(request.route)
            .or_default()
            .insert(request.id.to_string());
    }
    quickstart.wait().await?.must_be_good()?;

    let mut traces = BTreeSet::new();
    for (route, ids) in &answered {
        let span = route.span();
        let found = eventually(
            &format!("a trace of each of {} answered {span}", ids.len()),
            ARRIVAL,
            || servers.jaeger.traces(&run, &span),
            |traces| {
                let orders = jaeger::by_order(traces);
                ids.iter().all(|id| orders.contains_key(id))
            },
        )
        .await?;
        let mut orders = jaeger::by_order(&found.value);
        traces.extend(ids.iter().filter_map(|id| orders.remove(id)));
    }
    eventually(
        &format!(
            "a record of each of {} answered requests, by its trace id",
            traces.len()
        ),
        ARRIVAL,
        || servers.loki.records(&run),
        |records| {
            let found: BTreeSet<_> = records
                .iter()
                .map(|record| record.label("trace_id"))
                .collect();
            traces.iter().all(|trace| found.contains(trace.as_str()))
        },
    )
    .await?;
    Ok(())
}
