//! Who asks, and whether its word counts: its trace, its baggage, its request's id.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use http::HeaderMap;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::{SpanContext, TraceContextExt};
use opentelemetry::{Context, global};

use super::forwarded::{self, Claim, Claims};
use crate::settings::TrustInbound;
use crate::settings::inbound::InboundSettings;
use crate::{diagnostics, network};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) peer: Option<SocketAddr>,
    /// Without the port, as it differs with each connection.
    pub(super) client: Option<IpAddr>,
    pub(super) trusted: bool,
    /// Whether the peer is a proxy of the service's own.
    pub(super) by_proxy: bool,
}

impl Caller {
    pub(super) fn of(
        peer: Option<SocketAddr>,
        headers: &HeaderMap,
        settings: &InboundSettings,
    ) -> Self {
        let address = peer.map(|peer| peer.ip().to_canonical());
        let by_proxy = address.is_some_and(|address| settings.is_proxy(address));
        let (client, near) = match address {
            None => (None, false),
            Some(_) if by_proxy => behind_proxy(address, headers, settings),
            // It forwards for somebody whom nobody vouches for.
            Some(address) if forwarded::is_forwarded(headers) => (Some(address), false),
            Some(address) => (Some(address), network::is_near_address(address)),
        };
        let trusted = match settings.trust {
            TrustInbound::All => true,
            TrustInbound::None => false,
            TrustInbound::Private => near,
        };
        let caller = Self {
            peer,
            client,
            trusted,
            by_proxy,
        };
        if settings.trust == TrustInbound::Private && !trusted {
            caller.say(headers);
        }
        caller
    }

    /// What an operator can change about a caller who is not trusted.
    fn say(&self, headers: &HeaderMap) {
        static UNKNOWN: Once = Once::new();
        static FORWARDED: Once = Once::new();
        match self.peer {
            None => UNKNOWN.call_once(|| diagnostics::say(UNKNOWN_PEER)),
            Some(peer)
                if !self.by_proxy
                    && network::is_near_address(peer.ip())
                    && forwarded::is_forwarded(headers) =>
            {
                FORWARDED.call_once(|| diagnostics::say(FOREIGN_PROXY));
            }
            Some(_) => {}
        }
    }
}

const UNKNOWN_PEER: &str = "a request came from an unknown peer, so its trace, baggage and request id are not taken over: with axum serve `app.into_make_service_with_connect_info::<SocketAddr>()` (feature `axum`), with hyper put a `throughline::http::PeerAddress` into the request's extensions, else give `throughline::http::server().peer(..)`. This is said once.";

const FOREIGN_PROXY: &str = "a request from a private address was forwarded for somebody, so its trace, baggage and request id are not taken over, and its client is not known: if the address is a proxy of yours, name it in THROUGHLINE_TRUSTED_PROXIES. This is said once.";

const TWO_HEADERS: &str = "a trusted proxy's `Forwarded` and `X-Forwarded-For` name different clients, so one of them is not the proxy's own: have the proxy remove the header that it does not write. X-Forwarded-For is used, and neither is trusted. This is said once.";

/// The client that the proxy forwards for, and whether it is near.
fn behind_proxy(
    proxy: Option<IpAddr>,
    headers: &HeaderMap,
    settings: &InboundSettings,
) -> (Option<IpAddr>, bool) {
    let claims = Claims::of(headers, |address| settings.is_proxy(address));
    match (claims.forwarded, claims.x_forwarded_for) {
        // The proxy asks for itself.
        (Claim::Absent, Claim::Absent) => (proxy, proxy.is_some_and(network::is_near_address)),
        (Claim::Client(client), Claim::Absent) | (Claim::Absent, Claim::Client(client)) => {
            (Some(client), network::is_near_address(client))
        }
        (Claim::Client(one), Claim::Client(other)) if one == other => {
            (Some(one), network::is_near_address(one))
        }
        (_, Claim::Client(client)) => {
            static SAID: Once = Once::new();
            SAID.call_once(|| diagnostics::say(TWO_HEADERS));
            (Some(client), false)
        }
        _ => (None, false),
    }
}

/// What a caller sent along: the context to answer in, and the trace that it only links to.
pub(super) struct Sent {
    pub(super) context: Context,
    pub(super) linked: Option<SpanContext>,
}

impl Sent {
    pub(super) fn with(headers: &HeaderMap, trusted: bool) -> Self {
        let current = Context::current();
        if trusted {
            let headers = Headers {
                headers,
                baggage: true,
            };
            let context = global::get_text_map_propagator(|propagator| {
                propagator.extract_with_context(&current, &headers)
            });
            return Self {
                context,
                linked: None,
            };
        }
        // A stranger's baggage is not even parsed.
        let headers = Headers {
            headers,
            baggage: false,
        };
        let remote = global::get_text_map_propagator(|propagator| {
            propagator.extract_with_context(&Context::new(), &headers)
        });
        let span = remote.span();
        let ids = span.span_context();
        Self {
            context: current,
            linked: ids.is_valid().then(|| ids.clone()),
        }
    }
}

struct Headers<'h> {
    headers: &'h HeaderMap,
    baggage: bool,
}

impl Headers<'_> {
    fn hides(&self, key: &str) -> bool {
        !self.baggage && key.eq_ignore_ascii_case("baggage")
    }
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        if self.hides(key) {
            return None;
        }
        self.headers.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|key| !self.hides(key))
            .collect()
    }

    fn get_all(&self, key: &str) -> Option<Vec<&str>> {
        if self.hides(key) {
            return None;
        }
        let values: Vec<&str> = self
            .headers
            .get_all(key)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        (!values.is_empty()).then_some(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use opentelemetry::baggage::BaggageExt;

    const PROXIES: &str = "10.0.0.1";

    fn caller(trust: TrustInbound, peer: &str, headers: &[(&'static str, &str)]) -> Caller {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let peer = (!peer.is_empty()).then(|| peer.parse().unwrap());
        Caller::of(peer, &map, &InboundSettings::of(trust, PROXIES))
    }

    fn private(peer: &str, headers: &[(&'static str, &str)]) -> (Option<String>, bool) {
        let caller = caller(TrustInbound::Private, peer, headers);
        (caller.client.map(|it| it.to_string()), caller.trusted)
    }

    fn is(address: &str) -> Option<String> {
        Some(address.to_owned())
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn without_a_proxy_the_peer_is_the_client() {
        assert_eq!(private("127.0.0.1:80", &[]), (is("127.0.0.1"), true));
        assert_eq!(private("[::ffff:10.2.0.1]:80", &[]), (is("10.2.0.1"), true));
        assert_eq!(private("203.0.113.9:80", &[]), (is("203.0.113.9"), false));
        assert_eq!(private("", &[]), (None, false));
        let smuggled = [(XFF, "127.0.0.1"), ("forwarded", "for=127.0.0.1")];
        assert_eq!(
            private("203.0.113.9:80", &smuggled),
            (is("203.0.113.9"), false)
        );
        assert_eq!(private("", &smuggled), (None, false));
        assert_eq!(
            private("10.2.0.1:80", &[(XFF, "10.9.9.9")]),
            (is("10.2.0.1"), false),
            "somebody's proxy, for who knows whom"
        );
    }

    #[test]
    fn behind_the_services_own_proxy_it_is_whom_that_forwards_for() {
        let proxy = "10.0.0.1:80";
        assert_eq!(private(proxy, &[]), (is("10.0.0.1"), true));
        assert_eq!(private(proxy, &[(XFF, "10.9.9.9")]), (is("10.9.9.9"), true));
        let far = [(XFF, "127.0.0.1, 203.0.113.9")];
        assert_eq!(private(proxy, &far), (is("203.0.113.9"), false));
        let standard = [("forwarded", "for=10.9.9.9")];
        assert_eq!(private(proxy, &standard), (is("10.9.9.9"), true));
        assert_eq!(private(proxy, &[(XFF, "unknown")]), (None, false));
    }

    #[test]
    fn of_two_headers_that_differ_neither_is_trusted() {
        let proxy = "10.0.0.1:80";
        let smuggled = [(XFF, "203.0.113.9"), ("forwarded", "for=127.0.0.1")];
        assert_eq!(private(proxy, &smuggled), (is("203.0.113.9"), false));
        let smuggled = [(XFF, "127.0.0.1"), ("forwarded", "for=203.0.113.9")];
        assert_eq!(private(proxy, &smuggled), (is("127.0.0.1"), false));
        let agreed = [(XFF, "10.9.9.9"), ("forwarded", "for=10.9.9.9")];
        assert_eq!(private(proxy, &agreed), (is("10.9.9.9"), true));
        let half = [(XFF, "garbage"), ("forwarded", "for=127.0.0.1")];
        assert_eq!(private(proxy, &half), (None, false));
    }

    #[test]
    fn a_word_trusts_all_or_nobody() {
        assert!(caller(TrustInbound::All, "", &[]).trusted);
        assert!(!caller(TrustInbound::None, "127.0.0.1:1", &[]).trusted);
    }

    #[test]
    fn a_strangers_baggage_and_trace_are_not_taken_over() {
        let redactor = std::sync::Arc::new(crate::Redaction::default().redactor().unwrap());
        crate::propagation::install(&crate::propagation::DEFAULT, &redactor);
        let mut headers = HeaderMap::new();
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert("traceparent", HeaderValue::from_static(parent));
        headers.insert("baggage", HeaderValue::from_static("tenant=blue"));
        let stranger = Sent::with(&headers, false);
        assert!(!stranger.context.span().span_context().is_valid());
        assert_eq!(stranger.context.baggage().len(), 0);
        let linked = stranger.linked.unwrap();
        assert_eq!(linked.trace_id().to_string(), &parent[3..35]);
        let friend = Sent::with(&headers, true);
        assert!(friend.linked.is_none());
        assert_eq!(friend.context.span().span_context(), &linked);
        assert_eq!(friend.context.baggage().len(), 1);
    }
}
