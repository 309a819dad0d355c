//! A service that tells of suspicious requests, blocks some of them, and sets security headers.
//! It asks itself, and ends.
//!
//! ```sh
//! cargo run -p throughline --example attack_signals --features security
//! ```

use std::net::IpAddr;

use axum::Router;
use axum::body::Body;
use axum::routing::{get, post};
use http::{Request, StatusCode};
use throughline::http::{Attack, ClientAddress, attack_signals, security_headers};
use tower::ServiceExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = throughline::init("shop")?;

    // The layer that is added last is the outermost: a blocked request has the headers too.
    let service = Router::new()
        .route("/items", get(|| async { "items" }))
        .route("/login", post(|| async { StatusCode::UNAUTHORIZED }))
        .layer(attack_signals().block(Attack::SqlInjection))
        .layer(security_headers());

    // The server layer says who asks; here nobody is in between.
    let client: IpAddr = "203.0.113.7".parse()?;
    let mut requests = vec![
        ("GET", "/items?name=O%27Brien"),
        ("GET", "/items?id=1%27%20OR%20%271%27=%271"),
        ("GET", "/.git/config"),
    ];
    requests.extend([("POST", "/login"); 6]);
    for (method, target) in requests {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .body(Body::empty())?;
        request.extensions_mut().insert(ClientAddress(client));
        let response = service.clone().oneshot(request).await?;
        println!("{method} {target}: {}", response.status());
        if target == "/items?name=O%27Brien" {
            for (name, value) in response.headers() {
                println!("  {name}: {}", value.to_str()?);
            }
        }
    }

    let report = telemetry.shutdown_async().await;
    eprintln!("{report}");
    Ok(())
}
