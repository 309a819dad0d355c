//! Zipkin's headers, by the crate `opentelemetry-propagator-b3` and corrected in four places:
//! asked for one header it sends the several as well; where there is no trace it tells the
//! next service not to sample; it takes the debug flag of one header for "not sampled", and
//! asked for several it does not know that flag in one.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags};
use opentelemetry_propagator_b3::{B3Encoding, Propagator};

const SINGLE: &str = "b3";

#[derive(Debug)]
pub(super) struct B3 {
    inject: Propagator,
    single: bool,
    /// The one header and the several, as either may come in.
    extract: [Propagator; 2],
}

/// As the crate marks a trace that somebody debugs.
const DEBUG: TraceFlags = TraceFlags::new(0x04);

impl B3 {
    /// One header, `b3`.
    pub(super) fn single() -> Self {
        Self::injecting(B3Encoding::SingleHeader, true)
    }

    /// Several headers, `x-b3-…`.
    pub(super) fn multi() -> Self {
        Self::injecting(B3Encoding::MultipleHeader, false)
    }

    fn injecting(encoding: B3Encoding, single: bool) -> Self {
        Self {
            inject: Propagator::with_encoding(encoding),
            single,
            extract: [B3Encoding::SingleHeader, B3Encoding::MultipleHeader]
                .map(Propagator::with_encoding),
        }
    }
}

impl TextMapPropagator for B3 {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        if !context.span().span_context().is_valid() {
            return;
        }
        if self.single {
            self.inject
                .inject_context(context, &mut OnlySingle(injector));
        } else {
            self.inject.inject_context(context, injector);
        }
    }

    /// Either form, the one header first, and a trace that is debugged is sampled:
    /// <https://opentelemetry.io/docs/specs/otel/context/api-propagators/#b3-extract>.
    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        let found = self.extract.iter().find_map(|form| {
            let found = form.extract_with_context(&Context::new(), extractor);
            let ids = found.span().span_context().clone();
            ids.is_valid().then_some(ids)
        });
        let Some(ids) = found else {
            return context.clone();
        };
        let flags = match ids.trace_flags() {
            flags if flags & DEBUG == DEBUG => flags | TraceFlags::SAMPLED,
            flags => flags,
        };
        context.with_remote_span_context(SpanContext::new(
            ids.trace_id(),
            ids.span_id(),
            flags,
            true,
            ids.trace_state().clone(),
        ))
    }

    fn fields(&self) -> FieldIter<'_> {
        self.inject.fields()
    }
}

struct OnlySingle<'a>(&'a mut dyn Injector);

impl Injector for OnlySingle<'_> {
    fn set(&mut self, key: &str, value: String) {
        if key.eq_ignore_ascii_case(SINGLE) {
            self.0.set(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_trace_that_is_debugged_is_sampled_in_either_form() {
        const IDS: [&str; 2] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
        let one = HashMap::from([("b3".to_owned(), format!("{}-{}-d", IDS[0], IDS[1]))]);
        let several = HashMap::from([
            ("x-b3-traceid".to_owned(), IDS[0].to_owned()),
            ("x-b3-spanid".to_owned(), IDS[1].to_owned()),
            ("x-b3-flags".to_owned(), "1".to_owned()),
        ]);
        for propagator in [B3::single(), B3::multi()] {
            for headers in [&one, &several] {
                let context = propagator.extract_with_context(&Context::new(), headers);
                assert!(context.span().span_context().is_sampled(), "{headers:?}");
                let mut sent = HashMap::new();
                propagator.inject_context(&context, &mut sent);
                let expected = if propagator.single { &one } else { &several };
                assert_eq!(&sent, expected, "handed on as it came");
            }
        }
    }

    #[test]
    fn without_a_trace_nothing_is_said() {
        for propagator in [B3::single(), B3::multi()] {
            let mut headers = HashMap::new();
            propagator.inject_context(&Context::new(), &mut headers);
            assert_eq!(headers, HashMap::new());
        }
    }
}
