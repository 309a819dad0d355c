//! Does what can wait: receipts, digests, welcomes; and what nobody asks for, such as filling
//! up the stock.

mod mail;
mod sweep;

use std::time::Duration;

use axum::Router;
use metrics::gauge;
use throughline::jobs;
use tokio::time::sleep;

use crate::database::Database;
use crate::faults::{Fault, Faults};
use crate::measures::QUEUE;
use crate::process::{self, Ended};
use crate::queue::{self, Job, Kind};
use crate::settings::Settings;
use crate::{schema, time};
use mail::MailError;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
}

/// How soon an empty queue is looked at again.
const LOOKS_EVERY: Duration = Duration::from_millis(200);
/// How long a job that failed waits, in milliseconds.
const TRIES_AGAIN_AFTER: i64 = 2_000;

pub(crate) async fn run(arguments: Arguments) -> Ended {
    let telemetry = process::observe("worker")?;
    let settings = arguments.settings;
    let database = Database::open(settings.database_url.as_deref(), &settings.data, "shop").await?;
    // Whoever of the two comes first makes the tables.
    schema::create(&database, schema::SHOP).await?;
    queue::recover(&database).await?;
    let faults = Faults::new(&settings.faults);
    let routes = Router::new().merge(process::health(&database, &faults));
    let work = async {
        tokio::join!(
            until_told_to_end(&database, &faults),
            sweep::until_told_to_end(&database)
        );
    };
    process::serve("worker", settings.listen, routes, &faults, work).await?;
    process::end("worker", &database, telemetry).await;
    Ok(())
}

/// One job after the other. One that is under way is done before the process ends.
async fn until_told_to_end(database: &Database, faults: &Faults) {
    let mut ended = std::pin::pin!(throughline::shutdown_signal());
    loop {
        let worked = match queue::take(database).await {
            Ok(Some(job)) => {
                work(database, faults, &job).await;
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::error!(
                    error = throughline::error(&error),
                    "the queue cannot be read"
                );
                false
            }
        };
        let pause = if worked { Duration::ZERO } else { LOOKS_EVERY };
        tokio::select! {
            biased;
            () = &mut ended => return,
            () = sleep(pause) => {}
        }
        if !worked && let Err(error) = measure(database).await {
            tracing::warn!(
                error = throughline::error(&error),
                "the queue was not measured"
            );
        }
    }
}

async fn work(database: &Database, faults: &Faults, job: &Job) {
    let attempt = u32::try_from(job.attempt).unwrap_or(u32::MAX);
    let key = match job.kind {
        Kind::Receipt => "order",
        Kind::Digest | Kind::Welcome => "user",
    };
    let mut builder = jobs::builder(job.kind.name()).enqueued_by(&job.carrier);
    if job.kind == Kind::Receipt {
        // There is one for each checkout, and at once: it is the end of that story. Digests
        // and welcomes stand for what a queue holds long, and lead back by a link.
        builder = builder.as_child();
    }
    let done = builder
        .argument(key, &job.subject)
        .attempt(attempt)
        .run(async {
            faults.delay(Fault::SlowJobs).await;
            match job.kind {
                Kind::Receipt => mail::send_receipt(database, faults, &job.subject).await,
                Kind::Digest => mail::send_digest(database, faults, &job.subject).await,
                Kind::Welcome => mail::send_welcome(database, faults, &job.subject).await,
            }
        })
        .await;
    let again = match &done {
        Err(MailError::Relay(_)) if job.attempt < queue::ATTEMPTS => {
            Some(time::now() + TRIES_AGAIN_AFTER)
        }
        _ => None,
    };
    let state = if done.is_ok() { "done" } else { "failed" };
    if let Err(error) = queue::settle(database, job, again, state).await {
        let error = throughline::error(&error);
        tracing::error!(
            error,
            job.id = job.id,
            "how the job ended could not be put down"
        );
    }
}

async fn measure(database: &Database) -> Result<(), sqlx::Error> {
    let mut depth = queue::depth(database).await?;
    // A state that no job is in any more is zero, and not what it was last.
    for state in ["queued", "running", "failed"] {
        if !depth.iter().any(|(known, _)| known == state) {
            depth.push((state.to_owned(), 0));
        }
    }
    for (state, jobs) in depth {
        gauge!(QUEUE, "job.state" => state).set(jobs as f64);
    }
    Ok(())
}
