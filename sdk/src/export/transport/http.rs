//! OTLP over HTTP: <https://opentelemetry.io/docs/specs/otlp/#otlphttp>.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};

use crate::export::answer::{self, Answer};
use crate::export::client::{Client, Failure};
use crate::export::packing::Packing;
use crate::settings::OtlpSettings;

#[derive(Debug)]
pub(super) struct Http {
    client: Client,
    url: Uri,
    headers: HeaderMap,
}

impl Http {
    pub(super) fn new(client: Client, settings: &OtlpSettings) -> Result<Self, String> {
        let url = settings.endpoint.as_str();
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(super::USER_AGENT));
        headers.extend(settings.headers.iter().cloned());
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        headers.insert(CONTENT_TYPE, protobuf);
        Ok(Self {
            client,
            url: url.parse().map_err(|error| format!("{url}: {error}"))?,
            headers,
        })
    }

    pub(super) async fn send(&self, body: Bytes, packing: Packing) -> Result<Answer, Failure> {
        let mut request = Request::new(body);
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(encoding) = packing.encoding() {
            let encoding = HeaderValue::from_static(encoding);
            request.headers_mut().insert(CONTENT_ENCODING, encoding);
        }
        let reply = self.client.send(request).await?;
        if reply.too_long && reply.status.is_success() {
            return Ok(answer::too_long(reply.status));
        }
        Ok(answer::http(reply.status, &reply.headers, &reply.body))
    }
}
