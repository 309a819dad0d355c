//! W3C's `traceparent`, held against its own form:
//! <https://www.w3.org/TR/trace-context/#traceparent-header-field-values>.
//!
//! The SDK's propagator takes ids of any length, and with a sign before them. `00-7-1-01` is
//! then a trace, and one that who sent it knows by another name.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;

const HEADER: &str = "traceparent";

/// In bytes: `00-`, the trace's id, the span's and the flags.
const LENGTH: usize = 55;

/// The SDK's propagator, for headers that are whole.
#[derive(Debug, Default)]
pub(crate) struct TraceContext {
    inner: TraceContextPropagator,
}

impl TextMapPropagator for TraceContext {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        self.inner.inject_context(context, injector);
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        if extractor.get(HEADER).is_some_and(is_whole) {
            self.inner.extract_with_context(context, extractor)
        } else {
            context.clone()
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.inner.fields()
    }
}

/// Whether each part has its digits. A later version may have more parts.
fn is_whole(header: &str) -> bool {
    let bytes = header.trim().as_bytes();
    let Some((known, more)) = bytes.split_at_checked(LENGTH) else {
        return false;
    };
    let fits = |(at, byte): (usize, &u8)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
    };
    known.iter().enumerate().all(fits)
        && (more.is_empty() || (!known.starts_with(b"00") && more[0] == b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TraceContextExt;
    use std::collections::HashMap;

    fn trace(header: &str) -> Option<String> {
        let carrier = HashMap::from([(HEADER.to_owned(), header.to_owned())]);
        let context = TraceContext::default().extract_with_context(&Context::new(), &carrier);
        let span = context.span();
        let ids = span.span_context();
        ids.is_valid().then(|| ids.trace_id().to_string())
    }

    #[test]
    fn a_header_is_taken_whole_or_not_at_all() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for whole in [
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff ",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-is-new",
        ] {
            assert_eq!(trace(whole).as_deref(), Some(TRACE), "{whole}");
        }
        for forged in [
            "",
            "00-7-1-01",
            "00-0af7651916c11c80319c-b7ad6b7169203331-00",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-+7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "+0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\u{e9}",
        ] {
            assert_eq!(trace(forged), None, "{forged}");
        }
    }
}
