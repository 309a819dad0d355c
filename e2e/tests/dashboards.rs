//! Every panel shows data: each query of each dashboard, run as Grafana runs it.

use anyhow::Result;
use throughline_e2e::{
    failure::Outcome,
    grafana::{self, Dashboard, Query, Values, Variable, interpolate, regex_in_string},
    load::{Load, Route},
    quickstart::Quickstart,
    run::Run,
    service::Options,
    stack::{Servers, servers},
    wait::{ARRIVAL, eventually},
};
use tokio::time::Duration;

/// For the dashboards' range of 30 min: Grafana's step at the data source's `timeInterval`
/// of 15 s, and its rate interval of four of these.
const STEP: &str = "15s";
const RATE_INTERVAL: &str = "1m";
const RANGE: Duration = Duration::from_secs(30 * 60);

#[tokio::test]
async fn every_panel_has_data_for_all_services_and_for_a_chosen_one() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("dashboards");
    let quickstart = Quickstart::start(&run, &servers, Options::default()).await?;
    // Rates need samples that grow, so the load goes on while the queries run.
    let load = Load::on(quickstart.address()).run(&Route::ALL);
    for dashboard in grafana::dashboards()? {
        let variables = dashboard.variables()?;
        let mut all = builtin();
        let mut chosen = builtin();
        for variable in &variables {
            let value = offered(&servers, &run, variable, &all).await?;
            all.insert(&variable.name, variable.all.clone());
            chosen.insert(&variable.name, regex_in_string(&value));
        }
        for query in dashboard.queries()? {
            for values in [&all, &chosen] {
                has_data(&servers, &run, &dashboard, &query, values).await?;
            }
        }
    }
    drop(load);
    quickstart.stop().await?;
    Ok(())
}

fn builtin() -> Values<'static> {
    Values::from([
        ("__rate_interval", RATE_INTERVAL.to_owned()),
        ("__interval", STEP.to_owned()),
        ("__auto", STEP.to_owned()),
        ("__range", format!("{}s", RANGE.as_secs())),
    ])
}

/// The last half hour, which is what the dashboards open with.
fn window(run: &Run) -> (Duration, Duration) {
    let (_, end) = run.window();
    (end.saturating_sub(RANGE), end)
}

/// A variable's values as Grafana asks for them: they must offer what this run sent. Gives
/// back the one to choose.
async fn offered(
    servers: &Servers,
    run: &Run,
    variable: &Variable,
    values: &Values<'_>,
) -> Result<String> {
    let expected = match variable.label.as_str() {
        "service_name" => run.service.clone(),
        "http_route" => Route::Orders.template(),
        "deployment_environment_name" => run.environment.clone(),
        other => anyhow::bail!(
            "no value is known for variable {:?} of {other}",
            variable.name
        ),
    };
    let selector = interpolate(&variable.selector, values);
    let what = format!(
        "{expected:?} among the values of the variable {:?}",
        variable.name
    );
    let found = |found: &Vec<String>| found.contains(&expected);
    match variable.source.as_str() {
        "prometheus" => {
            let ask = || {
                servers
                    .prometheus
                    .label_values(&variable.label, Some(&selector), window(run))
            };
            eventually(&what, ARRIVAL, ask, found).await?;
        }
        "loki" => {
            let ask = || {
                servers
                    .loki
                    .label_values(&variable.label, Some(&selector), window(run))
            };
            eventually(&what, ARRIVAL, ask, found).await?;
        }
        other => anyhow::bail!("variable {:?} asks a {other}", variable.name),
    }
    Ok(expected)
}

async fn has_data(
    servers: &Servers,
    run: &Run,
    dashboard: &Dashboard,
    query: &Query,
    values: &Values<'_>,
) -> Result<()> {
    let expression = interpolate(&query.expression, values);
    let what = format!("data in panel {:?} of {}", query.panel, dashboard.file);
    let some = |count: &usize| *count > 0;
    match query.source.as_str() {
        "prometheus" => {
            let ask = || servers.prometheus.panel(&expression, window(run), STEP);
            eventually(&what, ARRIVAL, ask, some).await?;
            if query.exemplars {
                let ask = || servers.prometheus.exemplars(&expression, window(run));
                eventually(&format!("exemplars: {what}"), ARRIVAL, ask, |found| {
                    !found.is_empty()
                })
                .await?;
            }
        }
        "loki" => {
            let ask = || servers.loki.panel(&expression, window(run), query.lines);
            eventually(&what, ARRIVAL, ask, some).await?;
        }
        other => anyhow::bail!("panel {:?} asks a {other}", query.panel),
    }
    Ok(())
}
