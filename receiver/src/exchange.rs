//! What both transports share: the intake of bodies, the sink, and OTLP's answer.

use std::sync::Arc;

use prost::Message;
use tokio::sync::Semaphore;

use crate::{
    body::{Intake, Lease},
    options::Limits,
    refusal::Refusal,
    request::RawRequest,
    sink::{Accepted, RawSink},
};

/// How many JSON bodies are turned into protobuf at once.
const TRANSCODINGS: usize = 2;

#[derive(Clone)]
pub(crate) struct Exchange {
    pub(crate) intake: Intake,
    pub(crate) transcodings: Arc<Semaphore>,
    sink: Arc<dyn RawSink>,
}

impl Exchange {
    pub(crate) fn new(sink: Arc<dyn RawSink>, limits: Limits) -> Self {
        Self {
            intake: Intake::new(limits),
            transcodings: Arc::new(Semaphore::new(TRANSCODINGS)),
            sink,
        }
    }

    /// Gives the request to the sink. The lease is held until that has answered.
    pub(crate) async fn hand_over(
        &self,
        request: RawRequest,
        lease: Lease,
    ) -> Result<Accepted, Refusal> {
        let accepted = self.sink.receive(request).await?;
        drop(lease);
        Ok(accepted)
    }
}

/// `Export…ServiceResponse`, which has the same fields for every signal.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// Success in full has no `partial_success` at all, as OTLP demands.
pub(crate) fn response(accepted: &Accepted) -> ExportResponse {
    ExportResponse {
        partial_success: (*accepted != Accepted::default()).then(|| PartialSuccess {
            rejected: accepted.rejected,
            error_message: accepted.message.clone(),
        }),
    }
}
