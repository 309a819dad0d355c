//! A service that emits one of each thing that a server interprets, always the same, and
//! then waits to be stopped. The quickstart is an example to read, and has no room for them.
//!
//! `SPECIMEN_SECRET` is a word that is told wherever a service might let a secret slip.

use std::error::Error;

use metrics::{Unit, counter, describe_counter, describe_histogram, gauge, histogram};
use throughline::reexport::opentelemetry::KeyValue;
use throughline_e2e::specimen::{
    DURATIONS, MAX_SERIES, NAMESPACE, OVERFLOWN, PAYMENTS, Payment, SIZES, TRAFFIC, VERSION,
};
use tracing::{Instrument, debug, error, field, info, info_span, trace, warn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = throughline::builder("specimen")
        .version(VERSION)
        .resource([KeyValue::new("service.namespace", NAMESPACE)])
        .filter("info,specimen=trace")
        .series_limits(MAX_SERIES, 10_000)
        .metric_unit("specimen.orders", "{order}")
        .metric_unit("specimen.cache.hits", "1")
        .metric_unit("specimen.queue.length", "{item}")
        .init()?;

    levels();
    streams();
    request().await?;
    link();
    let [first, second] = PAYMENTS;
    info_span!("POST /payments", otel.kind = "server").in_scope(|| payment(first));
    info_span!("retry payment", otel.kind = "consumer").in_scope(|| payment(second));
    refund();
    panic().await;
    secrets(&std::env::var("SPECIMEN_SECRET")?);
    measurements();
    // The last: whoever sees it sees all of the above.
    gauge!("specimen.complete").set(1.0);

    throughline::shutdown_signal().await;
    let report = telemetry.shutdown_async().await;
    eprintln!("specimen: {report}");
    Ok(())
}

fn levels() {
    trace!("level TRACE");
    debug!("level DEBUG");
    info!("level INFO");
    warn!("level WARN");
    error!("level ERROR");
    // `tracing` has no level above ERROR.
    error!(event.severity = "critical", "level FATAL");
}

fn streams() {
    info!(
        name: "auth.login.failed",
        {
            log.category = "security",
            event.severity = "high",
            client.address = "192.0.2.7",
            user.id = "mallory"
        },
        "login failed"
    );
    // An error with a stream of its own stays in it.
    error!(name: "job.failed", { log.category = "job", job.name = "digest" }, "job failed");
}

/// A request with an attribute of each type, whose work goes on in another task.
async fn request() -> Result<(), tokio::task::JoinError> {
    let root = info_span!(
        "request",
        otel.name = "GET /specimens/{id}",
        otel.kind = "server",
        request.id = "request-7",
        specimen.text = "seven",
        specimen.integer = 7,
        specimen.float = 7.5,
        specimen.truth = true,
        specimen.late = field::Empty,
    );
    async {
        throughline::context::set_user("alice");
        tracing::Span::current().record("specimen.late", 8_u64);
        let child = info_span!("query", otel.kind = "client");
        let work = async {
            info!(
                name: "specimen.recorded",
                {
                    specimen.text = "seven",
                    specimen.integer = 7,
                    specimen.float = 7.5,
                    specimen.truth = true
                },
                "specimen 7 recorded"
            );
        };
        tokio::spawn(work.instrument(child)).await
    }
    .instrument(root)
    .await
}

/// A message that was sent in one trace and is worked on in another.
fn link() {
    let sent = info_span!(parent: None, "send", otel.kind = "producer");
    let process = info_span!(parent: None, "process", otel.kind = "consumer");
    process.follows_from(&sent);
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct PaymentError(String, #[source] ProviderError);

#[derive(Debug, thiserror::Error)]
#[error("the provider refused")]
struct ProviderError(#[source] ConnectionError);

#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
struct ConnectionError(#[source] TimeoutError);

#[derive(Debug, thiserror::Error)]
#[error("no answer within 5 s")]
struct TimeoutError;

fn payment_error(message: String) -> PaymentError {
    PaymentError(message, ProviderError(ConnectionError(TimeoutError)))
}

fn payment(payment: Payment) {
    let failure = payment_error(payment.error());
    error!(
        name: "payment.failed",
        { payment.id = payment.id, error = throughline::error(&failure) },
        "{}",
        payment.message()
    );
}

/// The same type of error, of another event.
fn refund() {
    let failure = payment_error("nothing was paid back".to_owned());
    error!(
        name: "refund.failed",
        { error = throughline::error(&failure) },
        "refund failed"
    );
}

async fn panic() {
    let work = async { panic!("the specimen is broken") };
    let ended = tokio::spawn(work.instrument(info_span!("break"))).await;
    assert!(ended.is_err(), "the task did not panic");
}

#[derive(Debug, thiserror::Error)]
#[error("GET https://example.org/?api_key={0} was refused")]
struct RefusedError(String);

/// The secret in each place that a service fills at run time.
fn secrets(secret: &str) {
    let span = info_span!(
        "leak",
        http.request.header.authorization = format!("Bearer {secret}"),
        url.full = format!("https://alice:{secret}@example.org/"),
    );
    span.in_scope(|| {
        let failure = RefusedError(secret.to_owned());
        error!(
            name: "specimen.leaked",
            {
                password = secret,
                header = format!("Authorization: Bearer {secret}"),
                error = throughline::error(&failure)
            },
            "cannot reach postgres://alice:{secret}@db.internal/shop"
        );
    });
    info_span!("leaked panic").in_scope(|| {
        let caught = std::panic::catch_unwind(|| panic!("token={secret} is not accepted"));
        assert!(caught.is_err(), "it did not panic");
    });
}

fn measurements() {
    describe_counter!("specimen.traffic", Unit::Bytes, "Bytes received");
    describe_histogram!("specimen.wait.duration", Unit::Seconds, "Time waited");
    describe_histogram!("specimen.body.size", Unit::Bytes, "Size of a body");
    counter!("specimen.orders", "route" => "/orders/{id}").increment(3);
    counter!("specimen.orders", "route" => "a \"b\"\\c").increment(4);
    counter!("specimen.traffic").increment(TRAFFIC);
    gauge!("specimen.queue.length").set(-2.5);
    gauge!("specimen.cache.hits").set(0.75);
    for seconds in DURATIONS {
        histogram!("specimen.wait.duration", "route" => "/orders/{id}").record(seconds);
    }
    for bytes in SIZES {
        histogram!("specimen.body.size").record(bytes);
    }
    for shard in 0..MAX_SERIES + OVERFLOWN {
        counter!("specimen.sessions", "shard" => shard.to_string()).increment(1);
    }
}
