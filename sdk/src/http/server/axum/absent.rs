//! In place of what axum knows of a request where the feature `axum` is not built.

use std::net::SocketAddr;

use http::Extensions;

#[derive(Debug)]
pub(super) enum Matched {}

impl Matched {
    pub(super) fn as_str(&self) -> &str {
        match *self {}
    }
}

pub(super) fn matched(_extensions: &Extensions) -> Option<Matched> {
    None
}

pub(super) fn peer(_extensions: &Extensions) -> Option<SocketAddr> {
    None
}
