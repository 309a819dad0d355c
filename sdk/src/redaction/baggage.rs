//! Baggage goes to other services in a header, so secrets are left out of it.

use std::borrow::Cow;
use std::sync::Arc;

use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::text_map_propagator::FieldIter;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry_sdk::propagation::BaggagePropagator;

use super::Redactor;
use crate::propagation::BaggageHeader;

/// The baggage propagator, without the entries that are secret by key or by value. What
/// comes in stays readable to the service, and is read by the SDK's.
#[derive(Debug)]
pub(crate) struct RedactedBaggage {
    inner: BaggagePropagator,
    redactor: Arc<Redactor>,
}

impl RedactedBaggage {
    pub(crate) fn new(redactor: Arc<Redactor>) -> Self {
        Self {
            inner: BaggagePropagator::new(),
            redactor,
        }
    }

    fn is_secret(&self, key: &str, value: &str) -> bool {
        self.redactor.key(key) || matches!(self.redactor.text(value), Cow::Owned(_))
    }
}

impl TextMapPropagator for RedactedBaggage {
    fn inject_context(&self, context: &Context, injector: &mut dyn Injector) {
        let mut header = BaggageHeader::default();
        for (key, (value, metadata)) in context.baggage() {
            let (key, value, metadata) = (key.as_str(), value.as_str(), metadata.as_str());
            let stated = self.is_secret(key, value);
            if !stated && matches!(self.redactor.text(metadata), Cow::Borrowed(_)) {
                header.push(key, value, metadata);
            }
        }
        if let Some(header) = header.finish() {
            injector.set("baggage", header);
        }
    }

    fn extract_with_context(&self, context: &Context, extractor: &dyn Extractor) -> Context {
        self.inner.extract_with_context(context, extractor)
    }

    fn fields(&self) -> FieldIter<'_> {
        self.inner.fields()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::KeyValue;
    use std::collections::HashMap;

    #[test]
    fn secrets_do_not_travel_as_baggage() {
        let redactor = crate::Redaction::default().redactor().unwrap();
        let propagator = RedactedBaggage::new(Arc::new(redactor));
        let context = Context::new().with_baggage([
            KeyValue::new("tenant", "blue"),
            KeyValue::new("session.id", "s-7"),
            KeyValue::new("api_key", "hunter2"),
            KeyValue::new("note", "paid with 4111111111111111"),
        ]);
        let mut headers = HashMap::new();
        propagator.inject_context(&context, &mut headers);
        let mut entries: Vec<&str> = headers["baggage"].split(',').collect();
        entries.sort_unstable();
        assert_eq!(entries, ["session.id=s-7", "tenant=blue"]);

        let only_secrets = Context::new().with_baggage([KeyValue::new("token", "hunter2")]);
        let mut headers: HashMap<String, String> = HashMap::new();
        propagator.inject_context(&only_secrets, &mut headers);
        assert!(headers.is_empty(), "{headers:?}");
    }
}
