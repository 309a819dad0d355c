//! The headers that carry a trace from one service to the next (`OTEL_PROPAGATORS`):
//! <https://opentelemetry.io/docs/specs/otel/context/api-propagators/>.

#[cfg(feature = "http")]
mod allowed;
mod b3;
mod baggage;
#[cfg(feature = "http")]
mod downstream;
mod trace_context;
mod xray;

use std::sync::Arc;

use opentelemetry::global;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};

use crate::redaction::{RedactedBaggage, Redactor};
use crate::settings::PropagatorName;
use b3::B3;
use xray::XRay;

#[cfg(feature = "http")]
pub(crate) use allowed::{
    AllowedHosts, EXPECTED as ALLOWED_EXPECTED, in_force as allowed_in_force,
    put_in_force as put_allowed_in_force,
};
pub(crate) use baggage::BaggageHeader;
#[cfg(feature = "http")]
pub(crate) use downstream::inject;
pub(crate) use trace_context::TraceContext;

/// W3C's trace context and baggage, unless the environment says otherwise.
pub(crate) const DEFAULT: [PropagatorName; 2] =
    [PropagatorName::TraceContext, PropagatorName::Baggage];

/// Makes them the process's own, which every library finds.
pub(crate) fn install(names: &[PropagatorName], redactor: &Arc<Redactor>) {
    global::set_text_map_propagator(propagator(names, redactor));
}

/// All of them in one. Each injects; of two that extract a trace the later one counts.
pub(crate) fn propagator(
    names: &[PropagatorName],
    redactor: &Arc<Redactor>,
) -> TextMapCompositePropagator {
    let propagators = names
        .iter()
        .map(|name| -> Box<dyn TextMapPropagator + Send + Sync> {
            match name {
                PropagatorName::TraceContext => Box::new(TraceContext::default()),
                PropagatorName::Baggage => Box::new(RedactedBaggage::new(Arc::clone(redactor))),
                PropagatorName::B3 => Box::new(B3::single()),
                PropagatorName::B3Multi => Box::new(B3::multi()),
                PropagatorName::XRay => Box::new(XRay::new()),
            }
        });
    TextMapCompositePropagator::new(propagators.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::Context;
    use opentelemetry::trace::TraceContextExt;
    use std::collections::HashMap;

    fn redactor() -> Arc<Redactor> {
        Arc::new(crate::Redaction::default().redactor().unwrap())
    }

    const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn extracted(names: &[PropagatorName], headers: &[(&str, &str)]) -> String {
        let carrier: HashMap<String, String> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let context =
            propagator(names, &redactor()).extract_with_context(&Context::new(), &carrier);
        let span = context.span();
        let ids = span.span_context();
        format!("{}-{}-{}", ids.trace_id(), ids.span_id(), ids.is_sampled())
    }

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-true";

    #[test]
    fn each_format_is_read() {
        for (name, headers) in [
            (
                PropagatorName::TraceContext,
                &[("traceparent", TRACEPARENT)][..],
            ),
            (
                PropagatorName::B3,
                &[("b3", "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1")],
            ),
            (
                PropagatorName::B3Multi,
                &[
                    ("x-b3-traceid", "0af7651916cd43dd8448eb211c80319c"),
                    ("x-b3-spanid", "b7ad6b7169203331"),
                    ("x-b3-sampled", "1"),
                ],
            ),
            (
                PropagatorName::XRay,
                &[(
                    "x-amzn-trace-id",
                    "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1",
                )],
            ),
        ] {
            assert_eq!(extracted(&[name], headers), TRACE, "{name}");
        }
    }

    #[test]
    fn a_load_balancers_half_header_leaves_the_callers_trace() {
        let names = [PropagatorName::TraceContext, PropagatorName::XRay];
        let headers = [
            ("traceparent", TRACEPARENT),
            (
                "x-amzn-trace-id",
                "Root=1-5759e988-bd862e3fe1be46a994272793",
            ),
        ];
        assert_eq!(extracted(&names, &headers), TRACE);
    }
}
