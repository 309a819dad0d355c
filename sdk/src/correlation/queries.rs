//! Where a request's queries are counted: with the request, since a query runs in whatever
//! task was given one of its spans.

use super::Correlation;
use crate::database::Tally;

impl Correlation {
    /// The count that a query here belongs to: the nearest that was begun.
    pub(crate) fn queries(&self) -> Option<&Tally> {
        match self.queries.get() {
            Some(tally) => Some(tally),
            None => self.outer()?.queries(),
        }
    }

    /// The same; where none was begun, the outermost begins.
    pub(crate) fn queries_or_begin(&self) -> &Tally {
        self.queries()
            .unwrap_or_else(|| self.outermost().begin_queries())
    }

    pub(crate) fn begin_queries(&self) -> &Tally {
        self.queries.get_or_init(Box::default)
    }

    fn outermost(&self) -> &Self {
        self.outer().map_or(self, Self::outermost)
    }
}
