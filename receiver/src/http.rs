//! OTLP over HTTP, with protobuf or JSON bodies.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

use axum::{
    Router,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};
use prost::Message;

use crate::{
    body::Compression,
    exchange::{Exchange, response},
    json,
    refusal::Refusal,
    request::{RawRequest, RequestInfo, Signal, Transport},
    sink::Accepted,
};

/// `POST /v1/traces`, `/v1/metrics` and `/v1/logs`.
pub(crate) fn router(exchange: Exchange) -> Router {
    let mut router = Router::new();
    for signal in [Signal::Traces, Signal::Metrics, Signal::Logs] {
        let take = move |State(exchange): State<Exchange>, request: Request| {
            answer(exchange, signal, request)
        };
        router = router.route(&format!("/v1/{signal}"), post(take));
    }
    router.with_state(exchange)
}

/// How a request's message is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        }
    }

    fn of(headers: &HeaderMap) -> Result<Self, Refusal> {
        let sent = text(headers, &CONTENT_TYPE);
        let media_type = sent.split(';').next().unwrap_or_default().trim();
        [Self::Protobuf, Self::Json]
            .into_iter()
            .find(|encoding| media_type.eq_ignore_ascii_case(encoding.media_type()))
            .ok_or_else(|| {
                Refusal::Unsupported(format!(
                    "content-type is {media_type:?}, expected {} or {}",
                    Self::Protobuf.media_type(),
                    Self::Json.media_type()
                ))
            })
    }
}

async fn answer(exchange: Exchange, signal: Signal, request: Request) -> Response {
    let encoding = match Encoding::of(request.headers()) {
        Ok(encoding) => encoding,
        Err(refusal) => return refusal.into_http(Encoding::Protobuf),
    };
    match export(&exchange, signal, encoding, request).await {
        Ok(accepted) => success(signal, encoding, &accepted),
        Err(refusal) => refusal.into_http(encoding),
    }
}

async fn export(
    exchange: &Exchange,
    signal: Signal,
    encoding: Encoding,
    request: Request,
) -> Result<Accepted, Refusal> {
    let (parts, body) = request.into_parts();
    let compression = Compression::named(text(&parts.headers, &CONTENT_ENCODING))?;
    let (body, mut lease) = exchange.intake.read(body, 0).await?;
    let body = exchange.intake.decompress(compression, body, &mut lease)?;
    let (transport, body) = match encoding {
        Encoding::Protobuf => (Transport::HttpProtobuf, body),
        Encoding::Json => {
            let message = from_json(exchange, signal, &body).await?;
            // Numbers in an array may be longer in protobuf.
            exchange.intake.admit(message.len(), &mut lease)?;
            (Transport::HttpJson, message)
        }
    };
    let request = RawRequest {
        info: RequestInfo {
            transport,
            signal,
            headers: parts.headers,
        },
        body,
    };
    exchange.hand_over(request, lease).await
}

async fn from_json(exchange: &Exchange, signal: Signal, body: &[u8]) -> Result<Bytes, Refusal> {
    // Never closed, and no permit would only mean no bound.
    let _permit = exchange.transcodings.acquire().await;
    json::to_protobuf(signal, body)
        .map(Bytes::from)
        .map_err(|error| Refusal::invalid(format!("body is not the expected JSON: {error}")))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

fn success(signal: Signal, encoding: Encoding, accepted: &Accepted) -> Response {
    let body = match encoding {
        Encoding::Protobuf => response(accepted).encode_to_vec(),
        Encoding::Json => json_success(signal, accepted),
    };
    (
        StatusCode::OK,
        [(CONTENT_TYPE, encoding.media_type())],
        body,
    )
        .into_response()
}

fn json_success(signal: Signal, accepted: &Accepted) -> Vec<u8> {
    if *accepted == Accepted::default() {
        return b"{}".to_vec();
    }
    let rejected = match signal {
        Signal::Traces => "rejectedSpans",
        Signal::Metrics => "rejectedDataPoints",
        Signal::Logs => "rejectedLogRecords",
    };
    let mut partial = serde_json::Map::new();
    // A string, as the JSON of protobuf writes every 64-bit integer.
    partial.insert(rejected.to_owned(), accepted.rejected.to_string().into());
    partial.insert("errorMessage".to_owned(), accepted.message.clone().into());
    serde_json::json!({ "partialSuccess": partial })
        .to_string()
        .into_bytes()
}
