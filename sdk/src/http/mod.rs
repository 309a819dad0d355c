//! HTTP, so that a service gets its spans, metrics, records and errors from one layer, in
//! the names of the semantic conventions:
//! <https://opentelemetry.io/docs/specs/semconv/http/>.
//!
//! [`server`] is the layer around what answers requests.

mod server;

pub(crate) use server::Facts;
pub use server::{
    ClientAddress, HandlerError, PeerAddress, RequestId, ServerBody, ServerBodyError, ServerFuture,
    ServerLayer, ServerService, server,
};
