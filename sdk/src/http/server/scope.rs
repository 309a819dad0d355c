//! What is current while a request is worked on: its span, and its context where no span
//! carries that.

use opentelemetry::{Context, ContextGuard};
use tracing::Span;
use tracing::span::Entered;

use crate::sampling;

#[derive(Debug)]
pub(super) struct Scope {
    span: Span,
    /// The span layer makes the context current with its span, if there are both.
    context: Option<Context>,
}

impl Scope {
    pub(super) fn new(span: Span, context: Context) -> Self {
        let carried = !span.is_disabled() && sampling::makes_spans();
        Self {
            span,
            context: (!carried).then_some(context),
        }
    }

    pub(super) fn enter(&self) -> Inside<'_> {
        let entered = self.span.enter();
        Inside {
            _context: self.context.clone().map(Context::attach),
            _span: entered,
        }
    }
}

/// Left in the order of its fields.
pub(super) struct Inside<'s> {
    _context: Option<ContextGuard>,
    _span: Entered<'s>,
}
