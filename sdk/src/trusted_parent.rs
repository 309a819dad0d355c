//! Whose sampling decision is followed.
//!
//! A parent from outside comes with a flag that says whether its trace is kept. Followed
//! without a look, it lets anybody who can send a header have each request recorded, or none.
//! So it decides only where its sender is trusted; elsewhere the trace begins here as far as
//! sampling goes, and keeps its id.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Once};

use opentelemetry::trace::{Link, SpanContext, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, SamplingDecision, SamplingResult, ShouldSample,
};

use crate::settings::TrustInbound;
use crate::{diagnostics, network};

/// Follows a local parent and a trusted remote one; everything else is the root's sampler's.
#[derive(Clone, Debug)]
pub(crate) struct TrustedParent {
    root: Box<dyn ShouldSample>,
    trust: TrustInbound,
    ids: RandomIdGenerator,
    said: Arc<Once>,
}

impl TrustedParent {
    pub(crate) fn new(root: Box<dyn ShouldSample>, trust: TrustInbound) -> Self {
        Self {
            root,
            trust,
            ids: RandomIdGenerator::default(),
            said: Arc::new(Once::new()),
        }
    }

    fn trusts(&self, kind: &SpanKind, attributes: &[KeyValue]) -> bool {
        match self.trust {
            TrustInbound::All => true,
            TrustInbound::None => false,
            // A queue's broker and a parent that code has handed on stand inside.
            TrustInbound::Private if *kind != SpanKind::Server => true,
            TrustInbound::Private => match peer(attributes) {
                Some(peer) => network::is_near_address(peer),
                None => {
                    self.said.call_once(|| diagnostics::say(UNKNOWN_PEER));
                    false
                }
            },
        }
    }
}

const UNKNOWN_PEER: &str = "a request with a trace came from an unknown peer, so whether the trace is kept was decided here: record `client.address` (an IP address) when the server span is created, or set THROUGHLINE_TRUST_INBOUND to `all` or `none`. This is said once.";

/// Who sent the request: the client, also behind proxies, else the other end of the
/// connection.
fn peer(attributes: &[KeyValue]) -> Option<IpAddr> {
    let text = ["client.address", "network.peer.address"]
        .into_iter()
        .find_map(|key| {
            let attributes = attributes.iter().rev();
            let mut found = attributes.filter(|attribute| attribute.key.as_str() == key);
            match &found.next()?.value {
                Value::String(text) => Some(text.as_str()),
                _ => None,
            }
        })?;
    let address = text.parse().ok();
    // The conventions want the address alone; with the port it is still known.
    address.or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip()))
}

impl ShouldSample for TrustedParent {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent_context
            .map(|context| context.span().span_context().clone())
            .filter(SpanContext::is_valid);
        let Some(parent) = parent else {
            return self.root.should_sample(
                parent_context,
                trace_id,
                name,
                span_kind,
                attributes,
                links,
            );
        };
        let trace_state: TraceState = parent.trace_state().clone();
        if !parent.is_remote() || self.trusts(span_kind, attributes) {
            return SamplingResult {
                decision: if parent.is_sampled() {
                    SamplingDecision::RecordAndSample
                } else {
                    SamplingDecision::Drop
                },
                attributes: Vec::new(),
                trace_state,
            };
        }
        // The sender chose the trace's id too, and could choose one that a ratio keeps.
        let drawn = self.ids.new_trace_id();
        SamplingResult {
            trace_state,
            ..self
                .root
                .should_sample(None, drawn, name, span_kind, attributes, links)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{SpanId, TraceFlags};
    use opentelemetry_sdk::trace::Sampler;

    fn parent(sampled: bool, remote: bool) -> Context {
        let flags = TraceFlags::default().with_sampled(sampled);
        let state = TraceState::from_key_value([("vendor", "7")]).unwrap();
        let ids = SpanContext::new(TraceId::from(1), SpanId::from(2), flags, remote, state);
        Context::new().with_remote_span_context(ids)
    }

    fn kept(sampler: &TrustedParent, parent: &Context, kind: &SpanKind, peer: &[KeyValue]) -> bool {
        let result =
            sampler.should_sample(Some(parent), TraceId::from(1), "serve", kind, peer, &[]);
        assert_eq!(result.trace_state.get("vendor"), Some("7"), "handed on");
        result.decision == SamplingDecision::RecordAndSample
    }

    /// Whether the parent's decision is the one that holds, whatever the root's would be.
    fn follows(trust: TrustInbound, remote: bool, kind: SpanKind, peer: &[KeyValue]) -> bool {
        let mut followed = Vec::new();
        for sampled in [true, false] {
            let root = if sampled {
                Sampler::AlwaysOff
            } else {
                Sampler::AlwaysOn
            };
            let sampler = TrustedParent::new(Box::new(root), trust);
            followed.push(kept(&sampler, &parent(sampled, remote), &kind, peer) == sampled);
        }
        assert_eq!(followed[0], followed[1]);
        followed[0]
    }

    fn client(address: &'static str) -> [KeyValue; 1] {
        [KeyValue::new("client.address", address)]
    }

    #[test]
    fn a_request_s_parent_is_followed_where_its_sender_is_near() {
        let private =
            |peer: &[KeyValue]| follows(TrustInbound::Private, true, SpanKind::Server, peer);
        for near in [
            "127.0.0.1",
            "10.1.2.3",
            "fd00::1",
            "::ffff:10.0.0.1",
            "10.1.2.3:443",
        ] {
            assert!(private(&client(near)), "{near}");
        }
        for far in [
            "203.0.113.9",
            "2001:db8::1",
            "::ffff:8.8.8.8",
            "[2001:db8::1]:443",
        ] {
            assert!(!private(&client(far)), "{far}");
        }
        for unknown in ["", "localhost", "10.1.2.3.example"] {
            assert!(!private(&client(unknown)), "{unknown}");
        }
        assert!(!private(&[]));
        let peer = KeyValue::new("network.peer.address", "10.0.0.1");
        assert!(private(&[peer.clone()]));
        let proxied = KeyValue::new("client.address", "203.0.113.9");
        assert!(!private(&[peer, proxied]), "the client, not its proxy");
        assert!(!private(&[KeyValue::new("client.address", 10)]));
    }

    #[test]
    fn trust_says_whose_word_counts() {
        let far = client("203.0.113.9");
        let near = client("10.0.0.1");
        use SpanKind::{Consumer, Internal, Server};
        use TrustInbound::{All, None, Private};
        for (trust, kind, peer, expected) in [
            (All, Server, &far, true),
            (All, Consumer, &far, true),
            (Private, Consumer, &far, true),
            (Private, Internal, &far, true),
            (None, Server, &near, false),
            (None, Consumer, &near, false),
            (None, Internal, &near, false),
        ] {
            let followed = follows(trust, true, kind.clone(), peer);
            assert_eq!(followed, expected, "{trust} {kind:?}");
            assert!(follows(trust, false, kind, peer), "a local parent always");
        }
    }

    #[test]
    fn the_sender_cannot_choose_an_id_that_a_ratio_keeps() {
        let root = Box::new(Sampler::TraceIdRatioBased(0.5));
        let sampler = TrustedParent::new(root, TrustInbound::None);
        let chosen = parent(true, true);
        let times = 200;
        let kept = (0..times)
            .filter(|_| kept(&sampler, &chosen, &SpanKind::Server, &[]))
            .count();
        // Ten standard deviations of 200 tosses are 71.
        assert!((29..=171).contains(&kept), "{kept} of {times}");
    }
}
