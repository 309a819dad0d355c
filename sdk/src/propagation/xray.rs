//! AWS X-Ray's header, `X-Amzn-Trace-Id`:
//! <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>.
//!
//! The crate `opentelemetry-aws` has it too, but turns on the OpenTelemetry crates' own log
//! records, which then appear among the service's; and of a load balancer's half header
//! (`Root` alone) it makes an invalid parent that wipes out a valid `traceparent`.

use opentelemetry::Context;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

const HEADER: &str = "x-amzn-trace-id";

#[derive(Debug)]
pub(super) struct XRay {
    fields: [String; 1],
}

impl XRay {
    pub(super) fn new() -> Self {
        Self {
            fields: [HEADER.to_owned()],
        }
    }
}

impl TextMapPropagator for XRay {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let span = context.span();
        let ids = span.span_context();
        if ids.is_valid() {
            injector.set(HEADER, write(ids));
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        match extractor.get(HEADER).and_then(read) {
            Some(parent) => context.with_remote_span_context(parent),
            None => context.clone(),
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        FieldIter::new(&self.fields)
    }
}

fn write(ids: &SpanContext) -> String {
    let trace = ids.trace_id().to_string();
    let (time, random) = trace.split_at(8);
    let sampled = u8::from(ids.is_sampled());
    format!(
        "Root=1-{time}-{random};Parent={};Sampled={sampled}",
        ids.span_id()
    )
}

/// `None` unless both ids are there. A decision that is left to us (`Sampled=?`) or absent
/// counts as "not sampled", as in OpenTelemetry's other propagators for X-Ray.
fn read(header: &str) -> Option<SpanContext> {
    let mut trace = None;
    let mut parent = None;
    let mut flags = TraceFlags::default();
    for pair in header.split(';') {
        match pair.trim().split_once('=') {
            Some(("Root", value)) => trace = trace_id(value),
            Some(("Parent", value)) => parent = span_id(value),
            Some(("Sampled", "1")) => flags = TraceFlags::SAMPLED,
            _ => {}
        }
    }
    let ids = SpanContext::new(trace?, parent?, flags, true, TraceState::default());
    ids.is_valid().then_some(ids)
}

/// `1-5759e988-bd862e3fe1be46a994272793`: a version, the time, 96 random bits.
fn trace_id(text: &str) -> Option<TraceId> {
    let (time, random) = text.strip_prefix("1-")?.split_once('-')?;
    let lengths = (time.len(), random.len());
    (lengths == (8, 24)).then(|| TraceId::from_hex(&format!("{time}{random}")).ok())?
}

fn span_id(text: &str) -> Option<SpanId> {
    (text.len() == 16).then(|| SpanId::from_hex(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str =
        "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331;Sampled=1";

    #[test]
    fn what_is_written_is_what_was_read() {
        let ids = read(WHOLE).unwrap();
        assert!(ids.is_remote() && ids.is_sampled());
        assert_eq!(write(&ids), WHOLE);
    }

    #[test]
    fn order_and_other_fields_do_not_matter() {
        let header = "Self=1-67891234-12456789abcdef012345678; Sampled=0;Parent=b7ad6b7169203331;Lineage=a87bd80c:0;Root=1-0af76519-16cd43dd8448eb211c80319c";
        let ids = read(header).unwrap();
        assert_eq!(
            ids.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert!(!ids.is_sampled());
    }

    #[test]
    fn an_open_decision_is_no_sampling() {
        let open = WHOLE.replace("Sampled=1", "Sampled=?");
        assert!(!read(&open).unwrap().is_sampled());
        let absent = WHOLE.replace(";Sampled=1", "");
        assert!(!read(&absent).unwrap().is_sampled());
    }

    #[test]
    fn half_a_header_or_a_broken_one_is_none() {
        for header in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Parent=b7ad6b7169203331;Sampled=1",
            "Root=2-0af76519-16cd43dd8448eb211c80319c;Parent=b7ad6b7169203331",
            "Root=1-0af76519-16cd43dd8448eb211c8031;Parent=b7ad6b7169203331",
            "Root=1-00000000-000000000000000000000000;Parent=b7ad6b7169203331",
            "Root=1-0af76519-16cd43dd8448eb211c80319c;Parent=xyz",
            "Root=1-0af76519-16cd43dd8448eb211c80319ç;Parent=b7ad6b7169203331",
        ] {
            assert_eq!(read(header), None, "{header}");
        }
    }
}
