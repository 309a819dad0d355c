//! Where a request goes, as far as it says.

use http::Uri;
use http::header::{HOST, HeaderMap};

/// The parts of an address that a span tells, borrowed from the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Destination<'a> {
    pub(super) scheme: &'a str,
    /// Whether there are a user's name or password before the host.
    pub(super) user_info: bool,
    /// As it is written; empty where nobody says it.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Destination<'a> {
    /// The request's own authority, else its `Host`, else the layer's origin.
    pub(super) fn of_uri(uri: &'a Uri, headers: &'a HeaderMap, origin: Option<&'a Uri>) -> Self {
        let mut destination = Self {
            scheme: uri.scheme_str().unwrap_or_default(),
            path: uri.path(),
            query: uri.query(),
            ..Self::default()
        };
        if let Some(authority) = uri.authority() {
            destination.host = authority.host();
            destination.port = authority.port_u16();
            destination.user_info = authority.as_str().contains('@');
        } else if let Some((host, port)) = headers
            .get(HOST)
            .and_then(|host| host_and_port(host.to_str().ok()?))
        {
            (destination.host, destination.port) = (host, port);
        } else if let Some(authority) = origin.and_then(Uri::authority) {
            destination.host = authority.host();
            destination.port = authority.port_u16();
        }
        if destination.scheme.is_empty() {
            let scheme = origin.and_then(Uri::scheme_str);
            destination.scheme = scheme.unwrap_or("http");
        }
        destination
    }

    #[cfg(feature = "reqwest")]
    pub(super) fn of_url(url: &'a url::Url) -> Self {
        Self {
            scheme: url.scheme(),
            user_info: !url.username().is_empty() || url.password().is_some(),
            host: url.host_str().unwrap_or_default(),
            port: url.port(),
            path: url.path(),
            query: url.query(),
        }
    }

    /// `server.address`: without the brackets of an address of version 6.
    pub(super) fn address(&self) -> &'a str {
        self.host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(self.host)
    }

    /// `server.port`: also where the scheme implies it.
    pub(super) fn server_port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme {
            "https" | "wss" => 443,
            _ => 80,
        })
    }
}

/// The value of a `Host` header, which the client itself has made.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let bracketed = text.starts_with('[');
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !bracketed || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let port = match port {
        Some(port) => Some(port.parse().ok()?),
        None => None,
    };
    (!host.is_empty()).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(uri: &str, host: Option<&'static str>, origin: Option<&'static str>) -> (String, u16) {
        let uri: Uri = uri.parse().unwrap();
        let mut headers = HeaderMap::new();
        if let Some(host) = host {
            headers.insert(HOST, HeaderValue::from_static(host));
        }
        let origin = origin.map(Uri::from_static);
        let destination = Destination::of_uri(&uri, &headers, origin.as_ref());
        (destination.address().to_owned(), destination.server_port())
    }

    #[test]
    fn the_address_comes_from_the_request_or_from_the_layer() {
        for (uri, host, origin, expected) in [
            ("http://a:81/x", Some("b"), Some("http://c"), ("a", 81)),
            ("https://u:p@a/x", None, None, ("a", 443)),
            ("http://[::1]:8080/", None, None, ("::1", 8080)),
            ("/x", Some("b:82"), Some("http://c"), ("b", 82)),
            ("/x", Some("[::1]:82"), None, ("::1", 82)),
            ("/x", Some("[::1]"), None, ("::1", 80)),
            ("/x", Some("b:http"), Some("https://c"), ("c", 443)),
            ("/x", None, Some("https://c:444"), ("c", 444)),
            ("/x", None, None, ("", 80)),
        ] {
            let expected = (expected.0.to_owned(), expected.1);
            assert_eq!(of(uri, host, origin), expected, "{uri} {host:?} {origin:?}");
        }
    }
}
