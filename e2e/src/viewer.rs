//! `throughline dev` between a service and the collector: what it has stored, told in the words
//! of the server that got the same from it.
//!
//! Each module knows what one server makes of OTLP, so that all that is left can be compared
//! as a whole.

pub mod metrics;
pub mod records;
pub mod traces;

use anyhow::Result;
use throughline_viewer_tests::Dev;

use crate::stack::Servers;

/// Starts it with an empty folder, to pass all on to the collector.
///
/// # Errors
/// If it does not build or start.
pub async fn forwarding(servers: &Servers) -> Result<Dev> {
    Dev::start(&["--forward", &servers.otlp_http]).await
}
