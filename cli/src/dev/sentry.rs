//! Sentry's endpoints: envelopes, the older store, and Spotlight's.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use tower_http::decompression::RequestDecompressionLayer;

use super::{Counts, Way};
use crate::{
    sentry::{Envelope, EnvelopeError, Limits, answer, parse_envelope, parse_store},
    store::{SentryEnvelope, Store},
};

#[derive(Clone)]
struct Intake {
    store: Arc<Store>,
    counts: Counts,
}

/// `POST /api/{project}/envelope/`, `/api/{project}/store/` and `/stream`.
pub(super) fn router(store: Arc<Store>, counts: Counts) -> Router {
    let envelope = post(|state, body| take(state, body, "envelope", parse_envelope));
    let older = post(|state, body| take(state, body, "store", parse_store));
    Router::new()
        .route("/api/{project}/envelope/", envelope.clone())
        .route("/api/{project}/envelope", envelope.clone())
        .route("/stream", envelope)
        .route("/api/{project}/store/", older.clone())
        .route("/api/{project}/store", older)
        .layer(DefaultBodyLimit::max(Limits::default().body_bytes))
        .layer(RequestDecompressionLayer::new())
        .with_state(Intake { store, counts })
}

async fn take(
    State(intake): State<Intake>,
    body: Result<Bytes, BytesRejection>,
    endpoint: &'static str,
    parse: fn(&[u8], &Limits) -> Result<Envelope, EnvelopeError>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(rejection) => return rejection.into_response(),
    };
    let answer = intake.store(&body, endpoint, parse).await;
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, [(CONTENT_TYPE, "application/json")], answer.body).into_response()
}

impl Intake {
    async fn store(
        &self,
        body: &Bytes,
        endpoint: &'static str,
        parse: fn(&[u8], &Limits) -> Result<Envelope, EnvelopeError>,
    ) -> answer::Answer {
        let tally = |add: fn(&mut super::Tally)| {
            self.counts.of(Way::Sentry, endpoint, |tally| {
                tally.requests += 1;
                tally.bytes += body.len() as u64;
                add(tally);
            });
        };
        let envelope = match parse(body, &Limits::default()) {
            Ok(envelope) => envelope,
            Err(error) => {
                tally(|tally| tally.malformed += 1);
                return answer::refused(&error);
            }
        };
        let answer = answer::taken(&envelope);
        self.counts.sentry(&envelope);
        let events = envelope.events.len() as u64;
        let raw = if endpoint == "store" {
            as_envelope(&envelope, body)
        } else {
            body.clone()
        };
        let stored = self
            .store
            .envelope(SentryEnvelope {
                events: envelope.events,
                raw,
                received: crate::store::now().unsigned_abs(),
            })
            .await;
        match stored {
            Ok(()) => {
                self.counts
                    .of(Way::Sentry, endpoint, |tally| tally.items += events);
                tally(|_| {});
                answer
            }
            Err(error) => {
                tracing::warn!(%error, "cannot store what came from a Sentry SDK");
                tally(|tally| tally.put_off += 1);
                answer::not_stored()
            }
        }
    }
}

/// An event of the older endpoint as the envelope that a server of today takes.
fn as_envelope(envelope: &Envelope, event: &Bytes) -> Bytes {
    let header = serde_json::json!({ "event_id": envelope.event_id });
    let item = serde_json::json!({ "type": "event", "length": event.len() });
    let mut bytes = format!("{header}\n{item}\n").into_bytes();
    bytes.extend_from_slice(event);
    bytes.push(b'\n');
    bytes.into()
}
