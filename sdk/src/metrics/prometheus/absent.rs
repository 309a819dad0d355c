//! In place of the Prometheus endpoint where the feature `prometheus` is not built: who asks
//! for it is told so.

use std::net::SocketAddr;

use tokio::runtime::Handle;

use super::Scraper;
use crate::InitError;

pub(crate) enum Listener {}

pub(crate) fn bind(_address: SocketAddr) -> Result<Listener, InitError> {
    Err(InitError::InvalidVariable {
        variable: "OTEL_METRICS_EXPORTER".to_owned(),
        reason:
            "it asks for prometheus, and throughline was built without its feature `prometheus`"
                .to_owned(),
        expected: "none, or a list of otlp and console; or the feature `prometheus` of throughline in Cargo.toml",
    })
}

pub(crate) fn serve(
    listener: Listener,
    _scraper: Scraper,
    _runtime: &Handle,
) -> Result<(), InitError> {
    match listener {}
}
