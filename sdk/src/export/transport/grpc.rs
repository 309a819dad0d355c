//! A single call of gRPC over HTTP/2:
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderName, TE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, Version};

use percent_encoding::percent_decode_str;

use super::Signal;
use crate::export::answer::{self, Answer};
use crate::export::client::{Client, Failure, Reply};
use crate::export::packing::Packing;
use crate::settings::OtlpSettings;

const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";

/// In front of a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

#[derive(Debug)]
pub(super) struct Grpc {
    client: Client,
    url: Uri,
    headers: HeaderMap,
}

impl Grpc {
    pub(super) fn new(
        client: Client,
        signal: Signal,
        settings: &OtlpSettings,
    ) -> Result<Self, String> {
        let origin = settings.origin();
        let method = match signal {
            Signal::Traces => "trace.v1.TraceService",
            Signal::Metrics => "metrics.v1.MetricsService",
            Signal::Logs => "logs.v1.LogsService",
        };
        let url = format!("{origin}/opentelemetry.proto.collector.{method}/Export");
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
        headers.extend(settings.headers.iter().cloned());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        Ok(Self {
            client,
            url: url.parse().map_err(|error| format!("{url}: {error}"))?,
            headers,
        })
    }

    pub(super) async fn send(&self, body: Bytes, packing: Packing) -> Result<Answer, Failure> {
        let mut request = Request::new(framed(&body, packing));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(encoding) = packing.encoding() {
            let encoding = HeaderValue::from_static(encoding);
            request.headers_mut().insert(ENCODING, encoding);
        }
        self.client.send(request).await.map(|reply| answer(&reply))
    }
}

fn framed(body: &Bytes, packing: Packing) -> Bytes {
    let mut framed = BytesMut::with_capacity(PREFIX + body.len());
    framed.put_u8(packing.encoding().is_some().into());
    // A batch is far below 4 GB.
    framed.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(body);
    framed.freeze()
}

fn answer(reply: &Reply) -> Answer {
    if reply.too_long && reply.status == StatusCode::OK {
        return answer::too_long(reply.status);
    }
    // Without a message the status comes with the first headers, else behind the message.
    let trailers = if reply.headers.contains_key(STATUS) {
        &reply.headers
    } else {
        &reply.trailers
    };
    let text = |name| {
        trailers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    // A status that is no number is one that we do not know.
    const UNKNOWN: u32 = 2;
    let code = match text(STATUS) {
        "" => None,
        status => Some(status.parse().unwrap_or(UNKNOWN)),
    };
    match code {
        Some(code) => {
            let message = percent_decode_str(text(MESSAGE)).decode_utf8_lossy();
            // With padding or without; details that cannot be read are none.
            let details = STANDARD_NO_PAD
                .decode(text(DETAILS).trim_end_matches('='))
                .unwrap_or_default();
            let body = reply.body.get(PREFIX..).unwrap_or_default();
            answer::grpc::answer(code, &message, &details, body)
        }
        // It broke off before it was done.
        None if reply.status == StatusCode::OK => Answer::Retry {
            after: None,
            why: "its answer ended without a gRPC status".to_owned(),
        },
        None => answer::grpc::without_status(reply.status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, headers: &[(&'static str, &str)]) -> Reply {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_static(name);
            (name, HeaderValue::from_str(value).unwrap())
        });
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: headers.collect(),
            body: Bytes::new(),
            trailers: HeaderMap::new(),
            too_long: false,
        }
    }

    #[test]
    fn an_answer_without_a_status_is_read_by_its_http_code() {
        let again = |answer: &Answer| matches!(answer, Answer::Retry { .. });
        assert!(again(&answer(&reply(503, &[]))));
        assert!(again(&answer(&reply(200, &[]))), "it broke off");
        assert!(matches!(answer(&reply(404, &[])), Answer::Refused { .. }));
        for unknown in ["99", "-1", "ok"] {
            let told = answer(&reply(200, &[("grpc-status", unknown)]));
            assert!(matches!(told, Answer::Refused { .. }), "{unknown}");
        }
        let told = answer(&reply(
            200,
            &[("grpc-status", "3"), ("grpc-message", "bad%21%20100%")],
        ));
        let why = "it answered INVALID_ARGUMENT: bad! 100%".to_owned();
        assert_eq!(told, Answer::Split { why });
    }
}
