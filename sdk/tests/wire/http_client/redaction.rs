//! No credential of an address leaves, neither by a span nor by a metric.

use super::{Server, calls, get, send, text, with_telemetry};
use crate::support::received_by;

#[test]
fn an_address_is_told_without_its_credentials_and_secret_parameters() {
    let test = "an_address_is_told_without_its_credentials_and_secret_parameters";
    let (receiver, outcome) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let port = server.address.port();
            for query in [
                "sig=hunter2&color=blue",
                "X-Amz-Signature=hunter2",
                "AWSAccessKeyId=hunter2",
                "pass%77ord=hunter2",
                "auth=Bearer%20hunter2hunter2",
            ] {
                let url = format!("http://ada:hunter2@127.0.0.1:{port}/x?{query}");
                send(get(&url)).await.unwrap();
            }
        });
    });
    let calls = calls(&receiver);
    assert_eq!(calls.len(), 5);
    for call in &calls {
        let full = text(call, "url.full").unwrap();
        assert!(full.starts_with("http://[redacted]@127.0.0.1:"), "{full}");
        assert!(full.contains("=[redacted]"), "{full}");
    }
    assert!(text(&calls[0], "url.full").unwrap().ends_with("color=blue"));
    let sent = format!("{:?}{:?}{outcome:?}", receiver.spans(), receiver.metrics());
    assert!(!sent.contains("hunter2"), "{sent}");
}
