//! A trace that nobody keeps costs no span, but is told to the next service all the same.

use super::{Server, calls, client, get, histogram, metric, with_telemetry};
use crate::support::received_by;
use tower::ServiceExt;
use tracing::Instrument;

async fn traceparent(server: &Server) -> String {
    let request = get(&server.url("/"));
    client(throughline::http::client())
        .oneshot(request)
        .await
        .unwrap();
    server.last()["traceparent"].to_str().unwrap().to_owned()
}

#[test]
fn an_unsampled_request_is_measured_and_its_trace_goes_on_unsampled() {
    let test = "an_unsampled_request_is_measured_and_its_trace_goes_on_unsampled";
    let off = [("OTEL_TRACES_SAMPLER", "always_off")];
    let (receiver, _) = received_by(test, "http/protobuf", &off, || {
        with_telemetry(async || {
            let server = Server::start().await;
            let alone = traceparent(&server).await;
            assert!(alone.ends_with("-00"), "{alone}");
            let within = async {
                let trace = throughline::context::trace_id().unwrap();
                (trace, traceparent(&server).await)
            };
            let (trace, told) = within.instrument(tracing::info_span!("request")).await;
            assert!(told.starts_with(&format!("00-{trace}-")), "{told}");
            assert!(told.ends_with("-00"), "{told}");
        });
    });
    assert!(receiver.spans().is_empty());
    let metric = metric(&receiver, "http.client.request.duration");
    assert_eq!(histogram(&metric)[0].count, 2);
}

#[test]
fn where_spans_are_filtered_out_the_one_around_is_told_and_left_alone() {
    let test = "where_spans_are_filtered_out_the_one_around_is_told_and_left_alone";
    let (receiver, _) = received_by(test, "http/protobuf", &[], || {
        with_telemetry(async || {
            let server = Server::start().await;
            let failing = async {
                let request = get(&server.url("/status/500"));
                let quiet = client(throughline::http::client()).oneshot(request);
                // Events and spans of no subscriber: as a filter that wants none of ours.
                let none = tracing::Dispatch::none();
                let response = tracing::instrument::WithSubscriber::with_subscriber(quiet, none);
                response.await.unwrap();
                server.last()["traceparent"].to_str().unwrap().to_owned()
            };
            let told = failing.instrument(tracing::info_span!("request")).await;
            println!("\nPARENT {told}");
        });
    });
    assert!(calls(&receiver).is_empty());
    let spans = receiver.spans();
    assert_eq!(spans.len(), 1);
    assert_eq!(super::text(&spans[0], "http.response.status_code"), None);
    assert!(!super::is_error(&spans[0]), "another's failure");
}
