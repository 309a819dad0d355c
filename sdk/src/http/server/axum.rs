//! What axum knows of a request.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath};
use http::Extensions;

/// The template of the route that was matched.
pub(super) type Matched = MatchedPath;

pub(super) fn matched(extensions: &Extensions) -> Option<Matched> {
    extensions.get::<MatchedPath>().cloned()
}

pub(super) fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get().map(|ConnectInfo(peer)| *peer)
}
