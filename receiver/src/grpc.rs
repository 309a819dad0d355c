//! OTLP over gRPC: the three services, all on one sink.
//!
//! <https://opentelemetry.io/docs/specs/otlp/#otlpgrpc>

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse,
        logs_service_server::{LogsService, LogsServiceServer},
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::{MetricsService, MetricsServiceServer},
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
};
use tonic::{Request, Response, Status, codec::CompressionEncoding, service::Routes};

use crate::{
    MAX_REQUEST_BYTES,
    request::{ExportRequest, Payload, Transport},
    sink::Sink,
};

/// The routes of the trace, metrics and logs services.
pub(crate) fn routes(sink: &Arc<dyn Sink>) -> Routes {
    // The generated servers share these methods but no trait.
    macro_rules! service {
        ($server:ident) => {
            $server::new(Exports {
                sink: Arc::clone(sink),
            })
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(MAX_REQUEST_BYTES)
        };
    }
    Routes::new(service!(TraceServiceServer))
        .add_service(service!(MetricsServiceServer))
        .add_service(service!(LogsServiceServer))
}

struct Exports {
    sink: Arc<dyn Sink>,
}

impl Exports {
    fn take<M: Into<Payload>, R: Default>(
        &self,
        request: Request<M>,
    ) -> Result<Response<R>, Status> {
        let (metadata, _, message) = request.into_parts();
        self.sink.receive(ExportRequest::new(
            Transport::Grpc,
            metadata.into_headers(),
            message,
        ))?;
        Ok(Response::new(R::default()))
    }
}

#[tonic::async_trait]
impl TraceService for Exports {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.take(request)
    }
}

#[tonic::async_trait]
impl MetricsService for Exports {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        self.take(request)
    }
}

#[tonic::async_trait]
impl LogsService for Exports {
    async fn export(
        &self,
        request: Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        self.take(request)
    }
}
