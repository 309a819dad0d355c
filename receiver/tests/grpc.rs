//! What a gRPC client sees, and what the store has afterwards.

// Clippy's exemption for tests does not reach their helper functions.
#![allow(clippy::unwrap_used)]

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
        metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
        trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    },
    common::v1::{AnyValue, KeyValue, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric::Data,
        number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use throughline_receiver::{
    Addresses, Attributes, Receiver, Rejection, Server, Signal, StartError, Transport,
    latest_metrics,
};
use tonic::{Code, Request, codec::CompressionEncoding};

const DEADLINE: Duration = Duration::from_secs(10);

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.into())),
        }),
        ..KeyValue::default()
    }
}

fn resource(service: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![attribute("service.name", service)],
        ..Resource::default()
    })
}

fn traces(name: &str) -> ExportTraceServiceRequest {
    let span = Span {
        name: name.into(),
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        attributes: vec![attribute("order.id", "7")],
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource("checkout"),
            scope_spans: vec![ScopeSpans {
                spans: vec![span],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn metrics(total: i64) -> ExportMetricsServiceRequest {
    let point = NumberDataPoint {
        value: Some(number_data_point::Value::AsInt(total)),
        attributes: vec![attribute("route", "/orders/{id}")],
        ..NumberDataPoint::default()
    };
    let sum = Sum {
        data_points: vec![point],
        ..Sum::default()
    };
    let metric = Metric {
        name: "orders".into(),
        data: Some(Data::Sum(sum)),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: resource("checkout"),
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![metric],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn logs(message: &str, trace_id: Vec<u8>) -> ExportLogsServiceRequest {
    let record = LogRecord {
        body: Some(AnyValue {
            value: Some(Value::StringValue(message.into())),
        }),
        trace_id,
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource("checkout"),
            scope_logs: vec![ScopeLogs {
                log_records: vec![record],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    }
}

#[tokio::test]
async fn the_three_signals_arrive_with_their_resource() {
    let receiver = Receiver::start().unwrap();
    let endpoint = receiver.grpc_endpoint();
    let mut spans = TraceServiceClient::connect(endpoint.clone()).await.unwrap();
    spans.export(traces("GET /orders/{id}")).await.unwrap();
    let mut records = LogsServiceClient::connect(endpoint.clone()).await.unwrap();
    records
        .export(logs("order placed", vec![1; 16]))
        .await
        .unwrap();
    records.export(logs("listening", Vec::new())).await.unwrap();
    let mut points = MetricsServiceClient::connect(endpoint).await.unwrap();
    points.export(metrics(3)).await.unwrap();
    points.export(metrics(5)).await.unwrap();

    receiver
        .wait_until(DEADLINE, |received| received.requests.len() == 5)
        .await
        .unwrap();
    let received = receiver.contents();
    let span = &received.spans[0];
    assert_eq!(span.name, "GET /orders/{id}");
    assert_eq!(span.service_name(), Some("checkout"));
    assert_eq!(span.attribute_str("order.id"), Some("7"));
    assert_eq!(span.trace_id().to_string(), "01".repeat(16));
    assert_eq!(span.parent_span_id(), None);
    assert_eq!(span.request.transport, Transport::Grpc);

    assert_eq!(received.logs[0].message(), Some("order placed"));
    assert_eq!(received.logs[0].trace_id(), Some(span.trace_id()));
    assert_eq!(received.logs[1].trace_id(), None);
    assert_eq!(received.trace(span.trace_id()).count(), 1);

    let latest = latest_metrics(&received.metrics);
    assert_eq!(latest.len(), 1);
    let points = latest[0].points();
    assert_eq!(points[0].attribute_str("route"), Some("/orders/{id}"));
    let throughline_receiver::Point::Number(point) = points[0] else {
        panic!("{points:?}")
    };
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(5)));
}

#[tokio::test]
async fn gzip_and_zstd_are_taken_and_metadata_is_visible() {
    let receiver = Receiver::start().unwrap();
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = TraceServiceClient::connect(receiver.grpc_endpoint())
            .await
            .unwrap()
            .send_compressed(encoding);
        let mut request = Request::new(traces("compressed"));
        request
            .metadata_mut()
            .insert("x-tenant", "acme".parse().unwrap());
        client.export(request).await.unwrap();
    }
    let received = receiver.contents();
    let encodings: Vec<_> = received
        .requests
        .iter()
        .map(|r| r.header("grpc-encoding"))
        .collect();
    assert_eq!(encodings, [Some("gzip"), Some("zstd")]);
    assert_eq!(received.requests[0].header("x-tenant"), Some("acme"));
    assert_eq!(received.requests[0].signal, Signal::Traces);
    assert_eq!(received.spans.len(), 2);
}

#[tokio::test]
async fn a_sink_chooses_the_status_that_the_client_gets() {
    let server = Server::start(
        Addresses::default(),
        |request: throughline_receiver::ExportRequest| {
            Err(match request.info.header("x-kind") {
                Some("later") => Rejection::unavailable("try again"),
                _ => Rejection::Invalid("give it up".into()),
            })
        },
    )
    .unwrap();
    let mut client = TraceServiceClient::connect(server.grpc_endpoint())
        .await
        .unwrap();
    let status = client.export(traces("refused")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::InvalidArgument, "give it up")
    );
    let mut request = Request::new(traces("refused"));
    request
        .metadata_mut()
        .insert("x-kind", "later".parse().unwrap());
    assert_eq!(
        client.export(request).await.unwrap_err().code(),
        Code::Unavailable
    );
}

#[tokio::test]
async fn what_was_received_outlives_the_server() {
    let receiver = Receiver::start().unwrap();
    let endpoint = receiver.grpc_endpoint();
    let mut client = TraceServiceClient::connect(endpoint.clone()).await.unwrap();
    client.export(traces("kept")).await.unwrap();
    let store = receiver.store().clone();
    receiver.shutdown().await;
    assert_eq!(store.contents().spans.len(), 1);
    assert!(TraceServiceClient::connect(endpoint).await.is_err());
}

#[test]
fn a_plain_test_can_block_on_a_condition_that_another_thread_meets() {
    let receiver = Receiver::start().unwrap();
    let endpoint = receiver.grpc_endpoint();
    let client = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
            .block_on(async {
                let mut client = TraceServiceClient::connect(endpoint).await.unwrap();
                client.export(traces("from a thread")).await.unwrap();
            });
    });
    receiver
        .blocking_wait_until(DEADLINE, |received| !received.spans.is_empty())
        .unwrap();
    client.join().unwrap();
}

#[test]
fn a_taken_address_is_named_in_the_error() {
    let taken = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let error = Receiver::start_on(Addresses {
        grpc: free,
        http: address,
    })
    .unwrap_err();
    assert!(
        matches!(
            error,
            StartError::Listen {
                protocol: "HTTP",
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}
