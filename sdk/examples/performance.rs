//! Operations and measured values: spans, metrics, and a record of what was slow.
//!
//! ```sh
//! THROUGHLINE_SLOW_OPERATION_MS=20 cargo run -p throughline --example performance
//! ```

use std::time::Duration;

use throughline::performance::{Unit, measured, timed, timed_sync, try_timed};

#[tokio::main]
async fn main() -> Result<(), throughline::InitError> {
    let telemetry = throughline::init("reports")?;

    let story = timed("story_generation", write_story()).await;
    let pages = timed_sync("pdf_generation", || lay_out(&story));
    measured("pdf.pages", pages as f64, Unit::Count);
    measured("pdf.size", 81_920.0, Unit::Bytes);

    // An error fails the span and is in the metric; whether it is one, its caller knows.
    if let Err(error) = try_timed("rate_lookup", async { "n/a".parse::<f64>() }).await {
        tracing::warn!(
            error = throughline::error(&error),
            "no rate, so the last one is used"
        );
    }

    // Too late: the future is dropped, and the operation's outcome is `cancelled`.
    let late = timed("slow_lookup", std::future::pending::<()>());
    let _ = tokio::time::timeout(Duration::from_millis(5), late).await;

    let end = telemetry.shutdown_async().await;
    eprintln!("{end}");
    Ok(())
}

async fn write_story() -> String {
    tokio::time::sleep(Duration::from_millis(25)).await;
    "once upon a time ".repeat(100)
}

fn lay_out(story: &str) -> usize {
    story.len().div_ceil(500)
}
