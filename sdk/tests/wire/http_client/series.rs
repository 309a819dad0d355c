//! Who calls whatever host it is given does not fill the metric with them.

use super::{answering, calls, get, histogram, metric, with_telemetry};
use crate::support::{received_by, text};
use http::{HeaderMap, Request};
use http_body_util::Full;
use throughline_receiver::Attributes;
use tower::ServiceExt;

#[test]
fn servers_and_methods_without_end_share_a_series() {
    let test = "servers_and_methods_without_end_share_a_series";
    let off = [("OTEL_TRACES_SAMPLER", "always_off")];
    let (receiver, outcome) = received_by(test, "http/protobuf", &off, || {
        with_telemetry(async || {
            for number in 0..3_000 {
                let request = get(&format!("http://host{number}.example.com/"));
                answering(200, HeaderMap::new())
                    .oneshot(request)
                    .await
                    .unwrap();
            }
            for number in 0..3_000 {
                let uri = format!("http://payments/shop.Payments/Method{number}");
                let request = Request::post(uri).header("content-type", "application/grpc");
                let mut headers = HeaderMap::new();
                headers.insert("grpc-status", http::HeaderValue::from_static("0"));
                let client = answering(200, headers);
                client
                    .oneshot(request.body(Full::default()).unwrap())
                    .await
                    .unwrap();
            }
        });
    });
    for (name, label, most) in [
        ("http.client.request.duration", "server.address", 101),
        ("rpc.client.call.duration", "rpc.method", 501),
    ] {
        let metric = metric(&receiver, name);
        let points = histogram(&metric);
        assert_eq!(points.len(), most, "{name}");
        assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 3_000);
        let folded = points.iter().find(|point| {
            let value = point.attributes.attribute(label);
            value.is_some_and(|value| text(Some(value)) == "_OTHER")
        });
        assert_eq!(folded.unwrap().count, 3_000 - (most as u64 - 1), "{name}");
    }
    let said = outcome.diagnostics().join("\n");
    assert!(!said.contains("overflow"), "{said}");
    assert!(calls(&receiver).is_empty());
}
