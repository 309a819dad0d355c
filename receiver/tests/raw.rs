//! What a sink of bytes gets, and what its answers look like to each client.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
    metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
    trace::v1::ExportTraceServiceResponse,
};
use prost::Message;
use reqwest::StatusCode;
use throughline_receiver::{
    Accepted, Addresses, Options, Rejection, Server, Signal, StartError, Transport,
};
use tokio::time::timeout;
use tonic::Code;
use tonic_types::StatusExt;

use support::{
    DEADLINE, Held, JSON, PROTOBUF, answering, call, client, gzip, post, post_span, span, status_of,
};

#[tokio::test]
async fn the_bytes_of_a_message_reach_the_sink_as_they_were_sent() {
    let (sink, mut arrived) = Held::new();
    let server = Server::start_raw(Addresses::default(), sink, Options::default()).unwrap();
    let sent = span("GET /orders/{id}".into()).encode_to_vec();
    // An unknown field, which decoding and encoding again would lose.
    let sent = [sent, vec![0xfa, 0x01, 0x01, b'x']].concat();
    let packed = gzip(&sent);
    let answering = tokio::spawn(async move {
        let mut seen = Vec::new();
        for _ in 0..2 {
            let arrived = arrived.recv().await.unwrap();
            seen.push((
                arrived.request.info.transport,
                arrived.request.body.to_vec(),
            ));
            arrived.answer.send(Ok(Accepted::default())).unwrap();
        }
        seen
    });
    let plain = post(&server, &[("content-type", PROTOBUF)], sent.clone()).await;
    assert_eq!(plain.status(), StatusCode::OK);
    let encoding = ("content-encoding", "gzip");
    let gzipped = post(&server, &[("content-type", PROTOBUF), encoding], packed).await;
    assert_eq!(gzipped.status(), StatusCode::OK);
    let expected = (Transport::HttpProtobuf, sent);
    assert_eq!(answering.await.unwrap(), [expected.clone(), expected]);
}

#[tokio::test]
async fn every_service_and_path_names_its_signal() {
    let (sink, mut arrived) = Held::new();
    let server = Server::start_raw(Addresses::default(), sink, Options::default()).unwrap();
    let signals = tokio::spawn(async move {
        let mut signals = Vec::new();
        while signals.len() < 5 {
            let arrived = arrived.recv().await.unwrap();
            signals.push(arrived.request.info.signal);
            arrived.answer.send(Ok(Accepted::default())).unwrap();
        }
        signals
    });
    let endpoint = server.grpc_endpoint();
    call(&server, span("traces".into())).await.unwrap();
    let mut logs = LogsServiceClient::connect(endpoint.clone()).await.unwrap();
    logs.export(ExportLogsServiceRequest::default())
        .await
        .unwrap();
    let mut metrics = MetricsServiceClient::connect(endpoint).await.unwrap();
    metrics
        .export(ExportMetricsServiceRequest::default())
        .await
        .unwrap();
    for path in ["logs", "metrics"] {
        reqwest::Client::new()
            .post(format!("{}/v1/{path}", server.http_endpoint()))
            .header("content-type", PROTOBUF)
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
    }
    use Signal::{Logs, Metrics, Traces};
    assert_eq!(
        signals.await.unwrap(),
        [Traces, Logs, Metrics, Logs, Metrics]
    );
}

#[tokio::test]
async fn the_client_is_answered_only_when_the_sink_has() {
    let (sink, mut arrived) = Held::new();
    let server = Server::start_raw(Addresses::default(), sink, Options::default()).unwrap();
    let mut client = client(&server).await;
    let mut export = tokio::spawn(async move { client.export(span("kept".into())).await });
    let held = timeout(DEADLINE, arrived.recv()).await.unwrap().unwrap();
    assert!(
        timeout(Duration::from_millis(200), &mut export)
            .await
            .is_err()
    );
    held.answer.send(Ok(Accepted::default())).unwrap();
    export.await.unwrap().unwrap();
}

#[tokio::test]
async fn partial_success_is_told_by_every_transport() {
    let server = answering(Ok(Accepted {
        rejected: 3,
        message: "no name".into(),
    }));
    let by_grpc = call(&server, span("half".into())).await.unwrap();
    let by_http = post_span(&server, &span("half".into())).await;
    let by_http = ExportTraceServiceResponse::decode(by_http.bytes().await.unwrap()).unwrap();
    assert_eq!(by_grpc, by_http);
    let partial = by_grpc.partial_success.unwrap();
    assert_eq!(
        (partial.rejected_spans, &*partial.error_message),
        (3, "no name")
    );

    let by_json = post(&server, &[("content-type", JSON)], "{}").await;
    assert_eq!(by_json.headers()["content-type"], JSON);
    let body: serde_json::Value = serde_json::from_slice(&by_json.bytes().await.unwrap()).unwrap();
    assert_eq!(
        body,
        serde_json::json!({ "partialSuccess": { "rejectedSpans": "3", "errorMessage": "no name" } })
    );
}

#[tokio::test]
async fn full_success_has_no_partial_success() {
    let server = answering(Ok(Accepted::default()));
    let by_grpc = call(&server, span("whole".into())).await.unwrap();
    assert_eq!(by_grpc, ExportTraceServiceResponse::default());
    let by_http = post_span(&server, &span("whole".into())).await;
    assert!(by_http.bytes().await.unwrap().is_empty());
    let by_json = post(&server, &[("content-type", JSON)], "{}").await;
    assert_eq!(by_json.text().await.unwrap(), "{}");
}

#[tokio::test]
async fn each_rejection_has_its_code_by_every_transport() {
    let later = Rejection::Unavailable {
        message: "the disk is full".into(),
        retry_after: None,
    };
    for (rejection, code, status) in [
        (later, Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
        (
            Rejection::Invalid("no spans".into()),
            Code::InvalidArgument,
            StatusCode::BAD_REQUEST,
        ),
        (
            Rejection::TooLarge("a span of a gigabyte".into()),
            Code::ResourceExhausted,
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    ] {
        let message = rejection.to_string();
        let server = answering(Err(rejection));
        let by_grpc = call(&server, span("refused".into())).await.unwrap_err();
        assert_eq!((by_grpc.code(), by_grpc.message()), (code, &*message));
        assert!(by_grpc.get_details_retry_info().is_none());

        let by_http = post_span(&server, &span("refused".into())).await;
        assert_eq!(by_http.status(), status);
        assert!(!by_http.headers().contains_key("retry-after"));
        assert_eq!(by_http.headers()["content-type"], PROTOBUF);
        assert_eq!(status_of(by_http).await, (code, message.clone()));

        let by_json = post(&server, &[("content-type", JSON)], "{}").await;
        assert_eq!(by_json.status(), status);
        assert_eq!(by_json.headers()["content-type"], JSON);
        let body: serde_json::Value =
            serde_json::from_slice(&by_json.bytes().await.unwrap()).unwrap();
        assert_eq!(
            body,
            serde_json::json!({ "code": i32::from(code), "message": message })
        );
    }
}

#[tokio::test]
async fn the_time_to_try_again_is_told_by_every_transport() {
    let wait = Duration::from_millis(1500);
    let server = answering(Err(Rejection::Unavailable {
        message: "busy".into(),
        retry_after: Some(wait),
    }));
    let by_grpc = call(&server, span("later".into())).await.unwrap_err();
    let told = by_grpc.get_details_retry_info().unwrap();
    assert_eq!(told.retry_delay, Some(wait));

    let by_http = post_span(&server, &span("later".into())).await;
    assert_eq!(by_http.headers()["retry-after"], "2");
    let body = by_http.bytes().await.unwrap();
    let status = tonic_types::Status::decode(body).unwrap();
    assert_eq!((status.code, &*status.message), (14, "busy"));
    assert_eq!(
        status.details[0].type_url,
        "type.googleapis.com/google.rpc.RetryInfo"
    );

    let by_json = post(&server, &[("content-type", JSON)], "{}").await;
    assert_eq!(by_json.headers()["retry-after"], "2");
    let body: serde_json::Value = serde_json::from_slice(&by_json.bytes().await.unwrap()).unwrap();
    assert_eq!(body["details"][0]["retryDelay"], "1.500000000s");
}

#[tokio::test]
async fn what_is_no_grpc_call_is_refused_as_such() {
    let server = answering(Ok(Accepted::default()));
    let client = reqwest::Client::new();
    let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    let send = async |path: &str, kind: &str, encoding: &str, body: &'static [u8]| {
        client
            .post(format!("{}{path}", server.grpc_endpoint()))
            .header("content-type", kind)
            .header("grpc-encoding", encoding)
            .body(body)
            .send()
            .await
            .unwrap()
    };
    // The second is a client of OTLP over HTTP that was given this port: a 200 would be silence.
    for path in [path, "/v1/traces"] {
        let no_grpc = send(path, PROTOBUF, "", b"").await;
        assert_eq!(no_grpc.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert!(no_grpc.text().await.unwrap().contains("4318"), "{path}");
    }
    for (path, encoding, body, code) in [
        (path, "", &b"\0\0\0\0\x05abc"[..], Code::InvalidArgument),
        (path, "", b"\0\0", Code::InvalidArgument),
        (path, "", b"\x02\0\0\0\0", Code::InvalidArgument),
        (path, "gzip", b"\x01\0\0\0\x03abc", Code::InvalidArgument),
        (path, "br", b"\x01\0\0\0\x03abc", Code::Unimplemented),
        ("/another.Service/Call", "", b"", Code::Unimplemented),
        (path, "", b"\0\0\0\0\0", Code::Ok),
    ] {
        let response = send(path, "application/grpc", encoding, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        let told = response.headers().get("grpc-status");
        let told = told.map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
        assert_eq!(told, code, "{path} {encoding} {body:?}");
    }
}

#[tokio::test]
async fn a_server_on_the_callers_runtime_stops_when_it_is_dropped() {
    let (sink, _) = Held::new();
    let server = Server::start_raw_on(
        &tokio::runtime::Handle::current(),
        Addresses::default(),
        sink,
        Options::default(),
    )
    .unwrap();
    let addresses = server.addresses();
    drop(client(&server).await);
    drop(server);
    // Its tasks end when this runtime gets to them.
    let again = async {
        loop {
            let (sink, _) = Held::new();
            let handle = tokio::runtime::Handle::current();
            match Server::start_raw_on(&handle, addresses, sink, Options::default()) {
                Err(StartError::Listen { .. }) => tokio::task::yield_now().await,
                other => break other.map(|_| ()),
            }
        }
    };
    timeout(DEADLINE, again).await.unwrap().unwrap();
}
