//! What was thrown in an occurrence, from whichever side it is known.

use super::{OccurrenceBody, OccurrenceRow, attribute_text};
use crate::{
    issue::parse_stacktrace,
    sentry::{Exception, start},
};

impl OccurrenceBody {
    /// The chain of exceptions, the root cause first; else the text of a stack.
    pub(crate) fn exceptions(
        &self,
        row: Option<&OccurrenceRow>,
    ) -> (Vec<Exception>, Option<String>) {
        if let Some(event) = &self.event {
            let mut exceptions = event.exceptions.clone();
            if exceptions.is_empty() && !event.stack.is_empty() {
                exceptions.push(Exception {
                    frames: event.stack.clone(),
                    ..Exception::default()
                });
            }
            if !exceptions.is_empty() {
                return (exceptions, None);
            }
        }
        let text = self.stack_text(row);
        let parsed = text.as_deref().and_then(parse_stacktrace);
        let mut raw = text.filter(|_| parsed.is_none());
        if let Some(text) = &mut raw {
            let end = start(text, 64 * 1024).len();
            text.truncate(end);
        }
        let mut chain = parsed.unwrap_or_default();
        if let Some(row) = row.filter(|row| row.kind.is_some()) {
            if chain.is_empty() {
                chain.push(Exception::default());
            }
            if let Some(outermost) = chain.last_mut() {
                // The attributes are whole, and a trace may begin anywhere.
                outermost.kind.clone_from(&row.kind);
                if !row.message.is_empty() {
                    outermost.value = Some(row.message.clone());
                }
            }
        }
        (chain, raw)
    }

    /// `exception.stacktrace` of the record, or of the span's exception of that type.
    fn stack_text(&self, row: Option<&OccurrenceRow>) -> Option<String> {
        const STACK: &str = "exception.stacktrace";
        if let Some(text) = self
            .record
            .as_ref()
            .and_then(|record| attribute_text(&record.attributes, STACK))
        {
            return Some(text.to_owned());
        }
        let kind = row.and_then(|row| row.kind.as_deref());
        let events = &self.span.as_ref()?.events;
        events
            .iter()
            .filter(|event| event.name == "exception")
            .filter(|event| attribute_text(&event.attributes, "exception.type") == kind)
            .find_map(|event| attribute_text(&event.attributes, STACK))
            .map(str::to_owned)
    }
}
