//! OTLP over gRPC: the three services, all on one sink.
//!
//! The framing of a unary call is done here and not by tonic's generated servers: those
//! decode every message, and hold its bytes uncounted until they do.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::post,
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use http_body_util::{BodyExt, Full};
use prost::Message;

use crate::{
    body::Compression,
    exchange::Exchange,
    refusal::Refusal,
    request::{RawRequest, RequestInfo, Signal, Transport},
    sink::Accepted,
};

const MEDIA_TYPE: &str = "application/grpc";
/// One byte that says whether the message is compressed, and four of its length.
const PREFIX: usize = 5;

/// `Export` of the trace, metrics and logs services.
pub(crate) fn router(exchange: Exchange) -> Router {
    const EXPORTS: [(&str, Signal); 3] = [
        (
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Signal::Traces,
        ),
        (
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Signal::Metrics,
        ),
        (
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Signal::Logs,
        ),
    ];
    let mut router = Router::new();
    for (path, signal) in EXPORTS {
        let call = move |State(exchange): State<Exchange>, request: Request| {
            answer(exchange, signal, request)
        };
        router = router.route(path, post(call));
    }
    router
        .fallback(async |headers: HeaderMap| {
            if is_grpc(&headers) {
                tonic::Status::unimplemented("only OTLP's Export is served").into_http::<Body>()
            } else {
                not_grpc()
            }
        })
        .with_state(exchange)
}

async fn answer(exchange: Exchange, signal: Signal, request: Request) -> Response {
    if !is_grpc(request.headers()) {
        return not_grpc();
    }
    match export(&exchange, signal, request).await {
        Ok(accepted) => success(&accepted),
        Err(refusal) => {
            let mut response = refusal.into_grpc();
            advertise(response.headers_mut());
            response
        }
    }
}

/// The answer to who takes this port for OTLP's over HTTP: a gRPC status would be a 200 to it.
fn not_grpc() -> Response {
    let mut response = Response::new(Body::from(
        "this port is for OTLP over gRPC; OTLP over HTTP has one of its own, by default 4318\n",
    ));
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
        .headers_mut()
        .insert(ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
    response
}

/// Whether the content type is gRPC's, with protobuf messages.
pub(crate) fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            let media_type = value.split(';').next().unwrap_or_default().trim();
            media_type == MEDIA_TYPE || media_type == "application/grpc+proto"
        })
}

async fn export(
    exchange: &Exchange,
    signal: Signal,
    request: Request,
) -> Result<Accepted, Refusal> {
    let (parts, body) = request.into_parts();
    let (mut framed, mut lease) = exchange.intake.read(body, PREFIX).await?;
    let compressed = match *framed {
        [compressed, a, b, c, d, ..]
            if framed.len() - PREFIX == u32::from_be_bytes([a, b, c, d]) as usize =>
        {
            compressed
        }
        _ => {
            return Err(Refusal::invalid(
                "the body is not one message of the length that it says",
            ));
        }
    };
    let message = framed.split_off(PREFIX);
    let compression = match compressed {
        0 => Compression::None,
        1 => Compression::named(
            parts
                .headers
                .get("grpc-encoding")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default(),
        )?,
        flag => {
            return Err(Refusal::invalid(format!(
                "compressed-flag is {flag}, expected 0 or 1"
            )));
        }
    };
    let message = exchange
        .intake
        .decompress(compression, message, &mut lease)?;
    let request = RawRequest {
        info: RequestInfo {
            transport: Transport::Grpc,
            signal,
            headers: parts.headers,
        },
        body: message,
    };
    exchange.hand_over(request, lease).await
}

fn success(accepted: &Accepted) -> Response {
    let message = crate::exchange::response(accepted);
    let mut framed = BytesMut::with_capacity(PREFIX + message.encoded_len());
    framed.put_u8(0);
    framed.put_u32(message.encoded_len() as u32);
    framed.put_slice(&message.encode_to_vec());
    let trailers = async {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        Some(Ok(trailers))
    };
    let body = Full::<Bytes>::from(framed.freeze()).with_trailers(trailers);
    let mut response = Response::new(Body::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    advertise(response.headers_mut());
    response
}

fn advertise(headers: &mut HeaderMap) {
    headers.insert(
        "grpc-accept-encoding",
        HeaderValue::from_static("gzip,zstd,identity"),
    );
}
