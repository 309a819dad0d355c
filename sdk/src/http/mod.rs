//! HTTP, so that a service gets its spans, metrics, records and errors from one layer, in
//! the names of the semantic conventions:
//! <https://opentelemetry.io/docs/specs/semconv/http/>.
//!
//! [`server`] is the layer around what answers requests, [`client`] the one around what sends
//! them. With the feature `security`, `attack_signals` tells of suspicious requests, and
//! `security_headers` tells browsers to be careful.

#[cfg(feature = "security")]
mod attack;
mod client;
mod query;
#[cfg(feature = "security")]
mod security_headers;
mod server;

/// For [`crate::fuzzing`].
#[cfg(fuzzing)]
pub(crate) mod fuzzing {
    pub(crate) use super::attack::fuzzing::attacks;
    pub(crate) use super::client::fuzzing::{call_status as call_status_received, full_url};
    pub(crate) use super::server::fuzzing::{
        call_status as call_status_sent, forwarded, friends, request_ids, strangers,
    };

    /// `url.query` of this.
    pub(crate) fn redacted_query(query: &str) -> String {
        super::query::redacted(query).into_owned()
    }
}

#[cfg(feature = "security")]
pub(crate) use attack::describe as describe_attack_signals;
#[cfg(feature = "security")]
#[cfg_attr(docsrs, doc(cfg(feature = "security")))]
pub use attack::{Attack, AttackFuture, AttackService, AttackSignals, LoginFailed, attack_signals};
pub use client::{
    ClientBody, ClientFuture, ClientLayer, ClientService, CountResends, CountResendsLayer, Resends,
    UrlTemplate, client, count_resends,
};
#[cfg(feature = "security")]
#[cfg_attr(docsrs, doc(cfg(feature = "security")))]
pub use security_headers::{
    SecurityHeaders, SecurityHeadersFuture, SecurityHeadersService, security_headers,
};
pub(crate) use server::Facts;
pub use server::{
    ClientAddress, HandlerError, PeerAddress, RequestId, ServerBody, ServerBodyError, ServerFuture,
    ServerLayer, ServerService, server,
};

/// The crate whose values [`security_headers`] sets.
#[cfg(feature = "security")]
#[cfg_attr(docsrs, doc(cfg(feature = "security")))]
pub use helmet_core as helmet;
