//! A small known shop: a checkout that fails with its error, a page that does not, and a line
//! in each stream.

use std::time::Duration;

use serde_json::{Value, json};
use throughline_viewer_tests::{
    Dev,
    otlp::{self, Client, attributes},
};

/// The checkout of ada that fails.
pub(crate) const FAILED: &str = "5b8efff798038103d269b633813fc60c";
/// The product that bob looks at.
const FINE: &str = "0af7651916cd43dd8448eb211c80319c";
/// The span of `payments` that the failure begins in.
pub(crate) const CHARGE: &str = "00f067aa0ba902b9";

const MINUTE: Duration = Duration::from_secs(60);

/// Sends all of it: five spans of two services, seven records, and a metric.
pub(crate) async fn send(dev: &Dev) {
    let storefront = Client::new(dev, "storefront");
    let payments = Client::new(dev, "payments");
    storefront.spans(&of_storefront()).await.unwrap();
    payments.spans(&[charge()]).await.unwrap();
    storefront.records(&of_the_shop()).await.unwrap();
    payments.records(&[decline("7")]).await.unwrap();
    let orders = otlp::sum("orders.created", "{order}", 6, &json!({ "channel": "web" }));
    storefront.metrics(&[orders]).await.unwrap();
}

fn of_storefront() -> [Value; 3] {
    let mut checkout = otlp::span(
        FAILED,
        "00f067aa0ba902b7",
        "",
        "POST /checkout",
        MINUTE,
        Duration::from_millis(420),
    );
    checkout["attributes"] = attributes(&json!({
        "http.request.method": "POST",
        "http.route": "/checkout",
        "http.response.status_code": 502,
        "user.id": "ada",
        "request.id": "request-ada",
        "basket.size": 3,
    }));
    checkout["status"] = json!({ "code": 2, "message": "payments answered 402" });
    let mut call = otlp::span(
        FAILED,
        "00f067aa0ba902b8",
        "00f067aa0ba902b7",
        "POST /charges",
        MINUTE - Duration::from_millis(20),
        Duration::from_millis(380),
    );
    // As the conventions say of a client that is answered by 402.
    call["status"] = json!({ "code": 2 });
    let mut product = otlp::span(
        FINE,
        "b7ad6b7169203331",
        "",
        "GET /products/{id}",
        MINUTE / 2,
        Duration::from_millis(12),
    );
    product["attributes"] = attributes(&json!({
        "http.request.method": "GET",
        "http.route": "/products/{id}",
        "http.response.status_code": 200,
        "user.id": "bob",
        "request.id": "request-bob",
    }));
    [checkout, call, product]
}

fn charge() -> Value {
    let mut charge = otlp::span(
        FAILED,
        CHARGE,
        "00f067aa0ba902b8",
        "POST /charges",
        MINUTE - Duration::from_millis(40),
        Duration::from_millis(300),
    );
    charge["kind"] = json!(2);
    charge["status"] = json!({ "code": 2, "message": "card declined" });
    charge
}

fn of_the_shop() -> [Value; 6] {
    let stream = |stream: &str, event: &str, more: Value| {
        let mut all = json!({ "log.category": stream });
        if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
            all.extend(more);
        }
        let mut record = otlp::record("INFO", &format!("{event} happened"), &all);
        record["eventName"] = json!(event);
        record
    };
    let mut basket = otlp::record(
        "INFO",
        "the basket has three articles",
        &json!({ "basket.size": 3 }),
    );
    basket["traceId"] = json!(FAILED);
    basket["spanId"] = json!("00f067aa0ba902b7");
    [
        basket,
        otlp::record(
            "WARN",
            "the stock of teapots is low",
            &json!({ "sku": "teapot-17" }),
        ),
        stream(
            "security",
            "auth.login.failed",
            json!({ "client.address": "192.0.2.7", "user.id": "mallory", "event.severity": "high" }),
        ),
        stream("audit", "audit.updated", json!({ "user.id": "root" })),
        stream("business", "checkout.started", json!({ "order.id": 42 })),
        stream(
            "analytics",
            "page.viewed",
            json!({ "url.path": "/products/17" }),
        ),
    ]
}

/// The error of the charge; the same issue each time, of another event.
pub(crate) fn decline(order: &str) -> Value {
    let mut declined = otlp::record(
        "ERROR",
        "the charge failed",
        &json!({
            "order.id": order,
            "exception.type": "CardDeclined",
            "exception.message": "the card was declined",
            "exception.stacktrace": "Traceback (most recent call last):\n  File \"/srv/payments/charge.py\", line 17, in charge\n    raise CardDeclined(card)\nCardDeclined: the card was declined\n",
        }),
    );
    declined["traceId"] = json!(FAILED);
    declined["spanId"] = json!(CHARGE);
    declined
}
