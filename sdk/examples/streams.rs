//! The streams of a service: who logged in, who changed what, who bought, what is used.
//!
//! ```sh
//! cargo run -p throughline --example streams
//! ```

use std::time::{Duration, Instant};

use throughline::streams::{Money, analytics, audit, business, security};

fn main() -> Result<(), throughline::InitError> {
    let telemetry = throughline::init("shop")?;

    tracing::info_span!("POST /login", request.id = "r-1").in_scope(|| {
        // A server layer tells this for a service that has one.
        throughline::context::set_client([203, 0, 113, 9].into(), Some("curl/8"));
        log_in();
    });

    tracing::info_span!("POST /checkout", request.id = "r-2").in_scope(|| {
        let arrived = Instant::now();
        throughline::context::set_user("u-1");
        analytics::session_started("s-1").emit();
        buy();
        analytics::session_ended("s-1", arrived.elapsed()).emit();
    });

    // Whatever is not delivered is named; without a receiver that is all of it.
    eprintln!("{}", telemetry.shutdown_within(Duration::from_secs(2)));
    Ok(())
}

fn log_in() {
    security::login_failed()
        .user_name("ada")
        .reason("wrong password")
        .attempts(3)
        .emit();
    security::login_succeeded("u-1").method("password").emit();
    // An event that no function is for. A name that is none does not compile.
    throughline::security!(
        "rate_limit.exceeded",
        event.severity = "medium",
        http.route = "/login",
        "too many attempts"
    );
}

fn buy() {
    let paid = Money::minor(9_999, "EUR");
    business::checkout_started().items(2).amount(paid).emit();
    business::payment_status_changed("pay-1", "completed")
        .order(7)
        .amount(paid)
        .emit();
    business::checkout_completed(7).amount(paid).emit();
    // The actor is the request's user.
    audit::updated("order", 7).changes("status").emit();
    analytics::feature_used("one-click checkout").emit();
    // Free streams take names of the service's own.
    throughline::business!("order.gift_wrapped", order.id = 7, "wrapped as a gift");
}
