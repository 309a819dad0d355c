//! OTLP over HTTP with protobuf bodies.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use std::sync::Arc;

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Request, State, rejection::BytesRejection},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use opentelemetry_proto::tonic::collector::{
    logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse},
    metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse},
    trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
};
use prost::Message;
use tower_http::decompression::RequestDecompressionLayer;

use crate::{
    MAX_REQUEST_BYTES,
    request::{ExportRequest, Payload, Transport},
    sink::{Rejection, Sink},
};

const PROTOBUF: &str = "application/x-protobuf";

/// `POST /v1/traces`, `/v1/metrics` and `/v1/logs`.
pub(crate) fn router(sink: Arc<dyn Sink>) -> Router {
    Router::new()
        .route(
            "/v1/traces",
            post(export::<ExportTraceServiceRequest, ExportTraceServiceResponse>),
        )
        .route(
            "/v1/metrics",
            post(export::<ExportMetricsServiceRequest, ExportMetricsServiceResponse>),
        )
        .route(
            "/v1/logs",
            post(export::<ExportLogsServiceRequest, ExportLogsServiceResponse>),
        )
        .with_state(sink)
        // Read where the handler takes the body, so it counts decompressed bytes as well.
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        // Encodings that it does not know stay on the request, for `export` to refuse in
        // OTLP's own form.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(middleware::from_fn(keep_headers))
}

/// The headers before decompression takes `content-encoding` away.
#[derive(Clone)]
struct SentHeaders(HeaderMap);

async fn keep_headers(mut request: Request, next: Next) -> Response {
    let headers = SentHeaders(request.headers().clone());
    request.extensions_mut().insert(headers);
    next.run(request).await
}

async fn export<M, R>(
    State(sink): State<Arc<dyn Sink>>,
    Extension(SentHeaders(sent)): Extension<SentHeaders>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal>
where
    M: Message + Default + Into<Payload>,
    R: Message + Default,
{
    let text = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let media_type = text(CONTENT_TYPE)
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    if !media_type.eq_ignore_ascii_case(PROTOBUF) {
        return Err(Refusal::unsupported(format!(
            "content-type is {media_type:?}, expected {PROTOBUF}"
        )));
    }
    let encoding = text(CONTENT_ENCODING);
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case("identity") {
        return Err(Refusal::unsupported(format!(
            "content-encoding is {encoding:?}, expected gzip, zstd or identity"
        )));
    }
    let body = body.map_err(|rejection| Refusal {
        status: rejection.status(),
        message: rejection.body_text(),
    })?;
    let message = M::decode(body).map_err(|error| Refusal {
        status: StatusCode::BAD_REQUEST,
        message: format!("body is not the expected protobuf message: {error}"),
    })?;
    sink.receive(ExportRequest::new(Transport::HttpProtobuf, sent, message))?;
    Ok(protobuf(StatusCode::OK, &R::default()))
}

fn protobuf(status: StatusCode, message: &impl Message) -> Response {
    (status, [(CONTENT_TYPE, PROTOBUF)], message.encode_to_vec()).into_response()
}

/// An answer other than 200: OTLP asks for a `google.rpc.Status` as its body.
struct Refusal {
    status: StatusCode,
    message: String,
}

impl Refusal {
    fn unsupported(message: String) -> Self {
        Self {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            message,
        }
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let status = match rejection {
            Rejection::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Rejection::Invalid(_) => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            message: rejection.to_string(),
        }
    }
}

/// `google.rpc.Status` without its details.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = match self.status {
            StatusCode::SERVICE_UNAVAILABLE => tonic::Code::Unavailable,
            StatusCode::PAYLOAD_TOO_LARGE => tonic::Code::ResourceExhausted,
            _ => tonic::Code::InvalidArgument,
        };
        protobuf(
            self.status,
            &RpcStatus {
                code: code.into(),
                message: self.message,
            },
        )
    }
}
