//! Zipkin's headers, by the crate `opentelemetry-propagator-b3` and corrected in two places:
//! asked for one header it sends the several as well, and where there is no trace it tells
//! the next service not to sample.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_propagator_b3::{B3Encoding, Propagator};

const SINGLE: &str = "b3";

#[derive(Debug)]
pub(super) struct B3 {
    inner: Propagator,
    single: bool,
}

impl B3 {
    /// One header, `b3`.
    pub(super) fn single() -> Self {
        Self {
            inner: Propagator::with_encoding(B3Encoding::SingleHeader),
            single: true,
        }
    }

    /// Several headers, `x-b3-…`.
    pub(super) fn multi() -> Self {
        Self {
            inner: Propagator::with_encoding(B3Encoding::MultipleHeader),
            single: false,
        }
    }
}

impl TextMapPropagator for B3 {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        if !context.span().span_context().is_valid() {
            return;
        }
        if self.single {
            self.inner
                .inject_context(context, &mut OnlySingle(injector));
        } else {
            self.inner.inject_context(context, injector);
        }
    }

    /// Either form, as the specification asks.
    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        self.inner.extract_with_context(context, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.inner.fields()
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
    fn without_a_trace_nothing_is_said() {
        for propagator in [B3::single(), B3::multi()] {
            let mut headers = HashMap::new();
            propagator.inject_context(&Context::new(), &mut headers);
            assert_eq!(headers, HashMap::new());
        }
    }
}
