//! A secret that a service lets slip is in no server.

use anyhow::{Result, ensure};
use throughline_e2e::{
    failure::Outcome,
    run::Run,
    specimen::{ERRORS, RECORDS, Specimen},
    stack::servers,
    wait::{ARRIVAL, eventually},
};

#[tokio::test]
async fn a_secret_in_fields_messages_errors_spans_and_panics_reaches_no_server() -> Outcome {
    let servers = servers().await?;
    let run = Run::new("secrets");
    let exit = Specimen::emitted(&run, &servers).await?;

    let records = eventually(
        &format!("{RECORDS} records in Loki"),
        ARRIVAL,
        || servers.loki.records(&run),
        |records| records.len() >= RECORDS,
    )
    .await?;
    is_without_the_secret("Loki", records.body(), &run, 4)?;

    for (span, replaced) in [("leak", 3), ("leaked panic", 1)] {
        let traces = eventually(
            &format!("the span {span:?} in Jaeger"),
            ARRIVAL,
            || servers.jaeger.traces(&run, span),
            |traces| !traces.is_empty(),
        )
        .await?;
        is_without_the_secret("Jaeger", traces.body(), &run, replaced)?;
    }

    let issues = eventually(
        &format!("{ERRORS} events in Bugsink"),
        ARRIVAL,
        || servers.bugsink.reported(&run),
        |issues| issues.iter().map(|issue| issue.events.len()).sum::<usize>() >= ERRORS,
    )
    .await?;
    is_without_the_secret("Bugsink", &format!("{:?}", issues.value), &run, 4)?;

    // Standard error has the text of the hook that Rust brings along, which is not ours.
    is_without_the_secret("standard output", &exit.stdout.join("\n"), &run, 4)?;
    Ok(())
}

/// `replaced` is how many places there are at least where the secret was.
fn is_without_the_secret(place: &str, text: &str, run: &Run, replaced: usize) -> Result<()> {
    ensure!(
        !text.contains(&run.secret()),
        "the secret {} is in {place}: {text}",
        run.secret()
    );
    let found = text.matches("[redacted]").count();
    ensure!(
        found >= replaced,
        "{place} has [redacted] {found} times, not {replaced}, so what held the secret is missing: {text}"
    );
    Ok(())
}
