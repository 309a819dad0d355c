//! HTTP, so that a service gets its spans, metrics, records and errors from one layer, in
//! the names of the semantic conventions:
//! <https://opentelemetry.io/docs/specs/semconv/http/>.
//!
//! [`server`] is the layer around what answers requests, [`client`] the one around what sends
//! them.

mod client;
mod server;

pub use client::{
    ClientBody, ClientFuture, ClientLayer, ClientService, CountResends, CountResendsLayer, Resends,
    UrlTemplate, client, count_resends,
};
pub(crate) use server::Facts;
pub use server::{
    ClientAddress, HandlerError, PeerAddress, RequestId, ServerBody, ServerBodyError, ServerFuture,
    ServerLayer, ServerService, server,
};
