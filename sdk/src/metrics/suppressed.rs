//! `throughline.events.suppressed`: how many records the burst limit left out.

use std::fmt;
use std::sync::Arc;

use metrics::{Counter, Key, Label, Metadata, Recorder};

use super::catalogue::Description;
use super::registry::Registry;

const NAME: &str = "throughline.events.suppressed";

/// Gives each callsite its counter.
pub(crate) struct SuppressedEvents {
    registry: Arc<Registry>,
}

impl fmt::Debug for SuppressedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuppressedEvents").finish_non_exhaustive()
    }
}

impl SuppressedEvents {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        registry.describe(
            NAME,
            Description {
                unit: "{event}".into(),
                text: "Records that the burst limit left out".to_owned(),
            },
        );
        Self { registry }
    }

    /// Counters that nobody reads.
    #[cfg(test)]
    pub(crate) fn unread() -> Self {
        let limits = super::registry::Limits::default();
        let redactor = crate::redaction::Redaction::default().redactor();
        let redactor = Arc::new(redactor.unwrap());
        let registry = Registry::new(None, limits, Arc::default(), Vec::new(), redactor);
        Self::new(Arc::new(registry))
    }

    /// The counter of a callsite. Callsites of one target, level and event name share it.
    pub(crate) fn counter(
        &self,
        level: tracing::Level,
        target: &str,
        event: Option<&'static str>,
    ) -> Counter {
        const METADATA: Metadata<'static> = Metadata::new(NAME, metrics::Level::INFO, None);
        let mut labels = vec![
            Label::new("log.level", level.as_str()),
            Label::new("log.target", target.to_owned()),
        ];
        if let Some(event) = event {
            labels.push(Label::new("event.name", event));
        }
        self.registry
            .register_counter(&Key::from_parts(NAME, labels), &METADATA)
    }
}
