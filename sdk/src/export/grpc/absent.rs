//! In place of OTLP over gRPC where the feature `grpc` is not built. The settings have refused
//! the protocol.

macro_rules! build {
    ($builder:expr, $settings:expr) => {
        Err(ExporterBuildError::InternalFailure(
            "throughline was built without its feature `grpc`".to_owned(),
        ))
    };
}
pub(super) use build;
