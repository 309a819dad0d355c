//! A service with a check of its own, and what its pages of health say. It serves itself and
//! asks itself, and ends.
//!
//! ```sh
//! cargo run -p throughline --example health --features health
//! ```

use std::io;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, header};
use http_body_util::BodyExt;
use throughline::health;
use tower::ServiceExt;

const TOKEN: &str = "of-the-operators";

/// Stands for `SELECT 1`.
async fn ping_database() -> io::Result<()> {
    Ok(())
}

/// Stands for a mail relay that is away.
async fn ping_mailer() -> io::Result<()> {
    Err(io::Error::other("no route to smtp://shop:hunter2@relay"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = throughline::builder("shop")
        .version(env!("CARGO_PKG_VERSION"))
        .init()?;

    let second = Duration::from_secs(1);
    let health = health::checks()
        .check("database", ping_database, second)
        .optional_check("mailer", ping_mailer, second)
        .application(
            "tasks",
            || async { serde_json::json!({"total": 1250, "overdue": 5}) },
            second,
        )
        .token(TOKEN)
        .router();
    let service = Router::new()
        .route("/", get(|| async { "hello" }))
        .merge(health);

    for path in ["/livez", "/readyz", "/health", "/health/detailed"] {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .body(Body::empty())?;
        let response = service.clone().oneshot(request).await?;
        let status = response.status();
        let page = response.into_body().collect().await?.to_bytes();
        println!("GET {path} {status}\n{}\n", String::from_utf8_lossy(&page));
    }

    let report = telemetry.shutdown_async().await;
    eprintln!("{report}");
    Ok(())
}
