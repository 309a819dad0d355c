//! Alerts reach a person: by Alertmanager's webhook and by Bugsink's.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use reqwest::Url;
use serde_json::Value;
use throughline_e2e::{
    alertmanager::Alert,
    bugsink::Reported,
    failure::Outcome,
    grafana,
    load::{Load, Route},
    quickstart::Quickstart,
    run::Run,
    service::Options,
    stack::servers,
    wait::{ARRIVAL, eventually},
};
use tokio::time::Duration;

const ALERT: &str = "HighErrorRatio";
/// The ratio's window of 1 min, the 15 s that it must last, evaluation and grouping.
const FIRES_WITHIN: Duration = Duration::from_secs(120);
/// The window again, until no error is in it, and grouping.
const RESOLVES_WITHIN: Duration = Duration::from_secs(180);

#[tokio::test]
async fn a_high_error_ratio_fires_reaches_the_webhook_and_resolves() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("alert");
    let quickstart = Quickstart::start(&run, &servers, Options::default()).await?;
    let load = Load::on(quickstart.address()).run(&[Route::Payments, Route::Orders]);

    eventually(
        &format!("a notification that {ALERT} fires for {}", run.service),
        FIRES_WITHIN,
        || servers.alerts.of_service("firing", ALERT, &run.service),
        |notifications| !notifications.is_empty(),
    )
    .await?;
    let active = servers
        .alertmanager
        .active("service_name", &run.service)
        .await?;
    active.must("one active alert of this name", |alerts| {
        alerts.len() == 1
            && alerts[0]
                .labels
                .get("alertname")
                .is_some_and(|name| name == ALERT)
    })?;

    drop(load);
    quickstart.stop().await?;
    eventually(
        &format!(
            "a notification that {ALERT} is resolved for {}",
            run.service
        ),
        RESOLVES_WITHIN,
        || servers.alerts.of_service("resolved", ALERT, &run.service),
        |notifications| !notifications.is_empty(),
    )
    .await?;
    says_what_to_do(&active.value[0], &run)?;
    Ok(())
}

/// The alert's text and links are what whoever is woken by it has to go by.
fn says_what_to_do(alert: &Alert, run: &Run) -> Result<()> {
    let text = |key: &str| alert.annotations.get(key).map_or("", String::as_str);
    for key in ["summary", "description"] {
        ensure!(
            text(key).contains(&run.service),
            "the {key} does not name the service: {alert:#?}"
        );
    }
    let dashboard = Url::parse(text("dashboard_url")).context("dashboard_url")?;
    let known = grafana::dashboards()?.into_iter().find(|known| {
        known.model["uid"]
            .as_str()
            .is_some_and(|uid| dashboard.path() == format!("/d/{uid}"))
    });
    let known = known.with_context(|| format!("{dashboard} leads to no provisioned dashboard"))?;
    let variables = known.variables()?;
    for (name, value) in dashboard.query_pairs() {
        ensure!(
            variables
                .iter()
                .any(|variable| name == format!("var-{}", variable.name)),
            "{dashboard} sets {name}, which {} does not have",
            known.file
        );
        ensure!(
            value == run.service,
            "{dashboard} chooses {value}, not {}",
            run.service
        );
    }
    let runbook = Url::parse(text("runbook_url")).context("runbook_url")?;
    let (_, page) = runbook
        .path()
        .split_once("/blob/main/")
        .with_context(|| format!("{runbook} is no page of this repository"))?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
    let page = fs::read_to_string(&path).with_context(|| format!("{runbook} leads to no file"))?;
    let anchor = runbook.fragment().unwrap_or_default();
    ensure!(
        page.lines()
            .filter_map(heading_anchor)
            .any(|heading| heading == anchor),
        "{} has no heading for {runbook}",
        path.display()
    );
    Ok(())
}

/// The anchor of a line that is a heading: its text in lower case, with hyphens for blanks.
fn heading_anchor(line: &str) -> Option<String> {
    let text = line.strip_prefix('#')?.trim_start_matches('#').trim();
    Some(text.replace('`', "").replace(' ', "-").to_lowercase())
}

#[tokio::test]
async fn a_new_issue_reaches_the_webhook() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("issue");
    // Earlier runs left the same errors, and then these would not be new.
    for issue in &servers.bugsink.issues().await?.value {
        servers.bugsink.delete(issue).await?;
    }
    let options = Options {
        sentry: true,
        ..Options::default()
    };
    let failing = [Route::Payments, Route::Panics];
    Quickstart::driven(&run, &servers, options, &failing, 2).await?;

    let reported = eventually(
        &format!("two issues of release {} in Bugsink", run.release),
        ARRIVAL,
        || servers.bugsink.reported(&run),
        |issues| issues.len() == 2,
    )
    .await?;
    for Reported { issue, .. } in &reported.value {
        let is_ours = |notification: &&Value| {
            notification["id"] == issue.id.as_str() && notification["alert_reason"] == "NEW"
        };
        let notifications = eventually(
            &format!("a notification of the new issue {}", issue.value),
            ARRIVAL,
            || servers.alerts.received(),
            |notifications| {
                notifications
                    .iter()
                    .any(|notification| is_ours(&notification))
            },
        )
        .await?;
        let ours = notifications
            .value
            .iter()
            .find(is_ours)
            .context("waited for above")?;
        let address = ours["url"]
            .as_str()
            .context("a notification without an address")?;
        servers
            .bugsink
            .page(address)
            .await?
            .must("the page of the issue", |page| page.contains(&issue.value))?;
    }
    Ok(())
}
