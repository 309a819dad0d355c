//! Who asks, once it is known which proxies were believed.

use std::net::IpAddr;

/// The client's address, as an extension of the request: the peer's, or what trusted proxies
/// said of it.
///
/// Layers further in read it from `request.extensions()`; a service without the server layer
/// inserts it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);
