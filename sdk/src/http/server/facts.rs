//! What was asked, kept while it is answered: for the span, the records and an error's report.
//!
//! All of it is shared with the request itself, so that a request that is neither sampled nor
//! logged copies nothing.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST, USER_AGENT};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Method, Version};

use super::axum::{self, Matched};
use super::caller::Caller;
use super::layer::Options;
use super::method::{Known, OTHER};
use super::{forwarded, grpc};
use crate::http::query;

/// See the module's documentation.
pub(crate) struct Facts {
    pub(super) id: Arc<str>,
    pub(super) method: Known,
    pub(super) original: Method,
    pub(super) route: Option<Route>,
    pub(super) https: bool,
    pub(super) caller: Caller,
    /// Whether it is a call by gRPC.
    pub(super) is_call: bool,
    pub(super) request_size: Option<u64>,
    target: Option<PathAndQuery>,
    host: Option<Host>,
    version: Version,
    user_agent: Option<HeaderValue>,
}

/// The template of a path.
pub(super) enum Route {
    Matched(Matched),
    Given(Cow<'static, str>),
}

enum Host {
    Authority(Authority),
    Header(HeaderValue),
}

impl Route {
    fn as_str(&self) -> &str {
        match self {
            Self::Matched(matched) => matched.as_str(),
            Self::Given(template) => template,
        }
    }
}

impl Facts {
    pub(super) fn of(parts: &Parts, options: &Options, caller: Caller, id: Arc<str>) -> Self {
        let forwarded = caller.by_proxy.then(|| forwarded::is_https(&parts.headers));
        let https = forwarded.flatten().unwrap_or_else(|| {
            let scheme = parts.uri.scheme().or(options.scheme.as_ref());
            scheme == Some(&Scheme::HTTPS)
        });
        let route = match &options.route {
            Some(route) => route(parts).map(Route::Given),
            None => axum::matched(&parts.extensions).map(Route::Matched),
        };
        let host = match parts.uri.authority() {
            Some(authority) => Some(Host::Authority(authority.clone())),
            None => parts.headers.get(HOST).cloned().map(Host::Header),
        };
        let length = parts.headers.get(CONTENT_LENGTH);
        Self {
            id,
            method: Known::of(&parts.method, &options.methods),
            original: parts.method.clone(),
            route,
            https,
            caller,
            is_call: grpc::is_call(&parts.headers),
            request_size: length.and_then(|value| value.to_str().ok()?.parse().ok()),
            target: parts.uri.path_and_query().cloned(),
            host,
            version: parts.version,
            user_agent: parts.headers.get(USER_AGENT).cloned(),
        }
    }

    pub(super) fn route(&self) -> Option<&str> {
        self.route.as_ref().map(Route::as_str)
    }

    pub(super) fn path(&self) -> &str {
        self.target.as_ref().map_or("/", PathAndQuery::path)
    }

    /// Without its secrets.
    pub(super) fn query(&self) -> Option<Cow<'_, str>> {
        self.target.as_ref()?.query().map(query::redacted)
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    pub(super) fn client(&self) -> Option<IpAddr> {
        self.caller.client
    }

    /// What is no UTF-8 in it is replaced.
    pub(super) fn user_agent(&self) -> Option<Cow<'_, str>> {
        let agent = self.user_agent.as_ref()?;
        Some(String::from_utf8_lossy(agent.as_bytes()))
    }

    /// The host and port that the client has asked, as it says them.
    pub(super) fn server(&self) -> Option<(String, Option<u16>)> {
        let parsed;
        let authority = match self.host.as_ref()? {
            Host::Authority(authority) => authority,
            Host::Header(value) => {
                parsed = Authority::try_from(value.as_bytes()).ok()?;
                &parsed
            }
        };
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        (!host.is_empty()).then(|| (host.to_owned(), authority.port_u16()))
    }

    pub(super) fn protocol_version(&self) -> &'static str {
        match self.version {
            Version::HTTP_09 => "0.9",
            Version::HTTP_10 => "1.0",
            Version::HTTP_2 => "2",
            Version::HTTP_3 => "3",
            _ => "1.1",
        }
    }

    /// `rpc.method` of a call.
    pub(super) fn call(&self) -> Option<&str> {
        let method = || grpc::method(self.path()).unwrap_or(OTHER);
        self.is_call.then(method)
    }

    /// The name of its span.
    pub(crate) fn name(&self) -> Cow<'_, str> {
        if self.is_call {
            return grpc::method(self.path()).unwrap_or(grpc::SYSTEM).into();
        }
        let method = self.method.in_name();
        match self.route() {
            Some(route) => format!("{method} {route}").into(),
            None => method.into(),
        }
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facts").finish_non_exhaustive()
    }
}
