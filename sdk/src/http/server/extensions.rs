//! What the layer and what it wraps tell each other, in a request's extensions.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The other end of a request's connection, told by whoever accepts connections: with hyper
/// there is no other way to know it.
///
/// ```
/// use std::net::SocketAddr;
/// use throughline::http::PeerAddress;
///
/// let peer: SocketAddr = "10.0.0.7:41000".parse().unwrap();
/// let mut request = http::Request::new(());
/// request.extensions_mut().insert(PeerAddress(peer));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// The client's address, told by the layer: the peer's, or the one that a proxy of
/// `THROUGHLINE_TRUSTED_PROXIES` forwards for. It is not there where that is unknown. An IPv4
/// address is one, also on a socket of both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

/// The request's id, told by the layer: the one in a trusted client's `x-request-id` of at most
/// 128 letters, digits and `-_.~:+/=@`, else a new UUID of version 7.
///
/// It is `request.id` on all that is emitted of the request, and in the answer's
/// `x-request-id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub(super) Arc<str>);

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
