//! Background work: a request asks for it, a worker does it, and both are found from either.
//!
//! ```sh
//! cargo run -p throughline --example jobs
//! ```

use std::time::Duration;

use throughline::jobs::{self, Carrier, Schedule};
use tokio::sync::mpsc;
use tracing::Instrument;

/// What goes through the queue, as it would through a broker.
type Message = String;

#[derive(Debug, thiserror::Error)]
#[error("user {user} has no address")]
struct NoAddress {
    user: u64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = throughline::init("digests")?;
    let (queue, messages) = mpsc::channel(8);
    let worker = tokio::spawn(work(messages));

    let request = tracing::info_span!("POST /digests", request.id = "r-1");
    enqueue(&queue).instrument(request).await?;
    drop(queue);
    worker.await?;

    // A job that Sentry expects each night, and tells of where it does not run.
    let nightly = Schedule::crontab("30 2 * * *")
        .timezone("Europe/Berlin")
        .max_runtime(Duration::from_secs(3_600));
    let swept = jobs::builder("sweep").check_in(nightly).run(sweep()).await;
    assert!(swept.is_ok());

    let end = telemetry.shutdown_async().await;
    eprintln!("{end}");
    Ok(())
}

/// In the request: who asks goes into the message.
async fn enqueue(queue: &mpsc::Sender<Message>) -> Result<(), Box<dyn std::error::Error>> {
    throughline::context::set_user("ada");
    for user in [7, 8] {
        let message = serde_json::json!({ "user": user, "context": jobs::context() });
        queue.send(message.to_string()).await?;
    }
    Ok(())
}

/// In the worker: each message is a job. Its error is reported, and the next one follows.
async fn work(mut messages: mpsc::Receiver<Message>) {
    while let Some(message) = messages.recv().await {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&message) else {
            tracing::error!("a message that is none");
            continue;
        };
        let user = message["user"].as_u64().unwrap_or_default();
        let carrier: Carrier =
            serde_json::from_value(message["context"].clone()).unwrap_or_default();
        let sent = jobs::builder("send_email_digest")
            .enqueued_by(&carrier)
            .argument("user", user)
            .run(send(user))
            .await;
        tracing::debug!(sent = sent.is_ok(), "next");
    }
}

async fn send(user: u64) -> Result<(), NoAddress> {
    tracing::info!("rendering");
    if user == 8 {
        return Err(NoAddress { user });
    }
    Ok(())
}

async fn sweep() -> Result<(), std::convert::Infallible> {
    Ok(())
}
