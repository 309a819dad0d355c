//! Alerts reach a person: by Alertmanager's webhook and by Bugsink's.

use throughline_e2e::{
    failure::Outcome,
    load::{Load, Route},
    quickstart::{Options, Quickstart},
    run::Run,
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
    active.must("one active alert, with what to do about it", |alerts| {
        alerts.len() == 1
            && alerts[0]
                .labels
                .get("alertname")
                .is_some_and(|name| name == ALERT)
            && ["summary", "description", "runbook_url", "dashboard_url"]
                .iter()
                .all(|key| {
                    alerts[0]
                        .annotations
                        .get(*key)
                        .is_some_and(|text| !text.is_empty())
                })
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
    Ok(())
}

#[tokio::test]
async fn a_new_issue_reaches_the_webhook() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("issue");
    // Earlier runs left the same errors, and then these would not be new.
    for issue in &servers.bugsink.issues().await?.value {
        servers.bugsink.delete(issue).await?;
    }
    let quickstart = Quickstart::start(
        &run,
        &servers,
        Options {
            sentry: true,
            ..Options::default()
        },
    )
    .await?;
    Load::on(quickstart.address())
        .drive(&[Route::Payments, Route::Panics], 2)
        .await?;
    quickstart.stop().await?;

    let reported = eventually(
        &format!("two issues of release {} in Bugsink", run.release),
        ARRIVAL,
        || servers.bugsink.reported(&run),
        |issues| issues.len() == 2,
    )
    .await?;
    for reported in &reported.value {
        eventually(
            &format!("a notification of the new issue {}", reported.issue.value),
            ARRIVAL,
            || servers.alerts.received(),
            |notifications| {
                notifications.iter().any(|notification| {
                    notification["id"] == reported.issue.id.as_str()
                        && notification["alert_reason"] == "NEW"
                })
            },
        )
        .await?;
    }
    Ok(())
}
