//! What is called, in the words of the conventions.

use http::Method;

use super::UrlTemplate;
use super::destination::Destination;
use super::duration::{self, Server};

/// A method that is not one of HTTP's own, since anybody can make one up.
pub(super) const OTHER: &str = "_OTHER";

/// What the span and the duration tell of a request. All of it is constant or bounded, so that
/// a series can be looked up without building one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Http {
        method: &'static str,
        template: Option<&'static str>,
    },
    Grpc {
        /// `package.Service/Method`
        method: &'static str,
    },
}

impl Call {
    pub(super) fn http(method: &Method, template: Option<UrlTemplate>) -> Self {
        Self::Http {
            method: known(method).unwrap_or(OTHER),
            template: template.map(|template| template.0),
        }
    }

    pub(super) fn grpc(path: &str) -> Self {
        Self::Grpc {
            method: duration::grpc_method(grpc_name(path)),
        }
    }
}

/// The full name of a gRPC method, by its path.
pub(super) fn grpc_name(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// Where it goes, as the duration tells it.
pub(super) fn server(destination: &Destination<'_>) -> Option<Server> {
    let address = destination.address();
    (!address.is_empty()).then(|| duration::server(address, destination.server_port()))
}

/// The methods of RFC 9110 and RFC 5789, which the conventions call known. Case matters.
pub(super) fn known(method: &Method) -> Option<&'static str> {
    Some(match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        Method::CONNECT => "CONNECT",
        _ => return None,
    })
}
