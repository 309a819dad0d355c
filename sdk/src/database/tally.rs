//! How many queries a request made, how long they took and which was the slowest: what no
//! single query shows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::Context;

use super::TARGET;
use super::statement::Statement;
use crate::correlation::Correlation;
use crate::settings;

/// The queries that one request, job or other piece of work has made so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Queries {
    /// How many have ended.
    pub count: u64,
    /// How long they took together, those at the same time each for itself.
    pub total: Duration,
    /// The one that took longest; `None` where there was none.
    pub slowest: Option<SlowestQuery>,
}

/// The slowest of some [`Queries`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SlowestQuery {
    /// How long it took.
    pub duration: Duration,
    /// What it does, such as `SELECT users`; empty where that is not known.
    pub summary: String,
    /// Its text with a `?` for each value, where it may be told.
    pub text: Option<String>,
}

/// In a request's cell, where it has a database.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    count: u64,
    total: Duration,
    slowest: Option<(Duration, Arc<Statement>)>,
}

impl Tally {
    fn add(&self, duration: Duration, statement: &Arc<Statement>) {
        let mut sums = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sums.count += 1;
        sums.total = sums.total.saturating_add(duration);
        if sums
            .slowest
            .as_ref()
            .is_none_or(|(most, _)| *most < duration)
        {
            sums.slowest = Some((duration, Arc::clone(statement)));
        }
    }

    fn read(&self) -> Queries {
        Queries::of(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self) -> Queries {
        Queries::of(&std::mem::take(
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }
}

impl Queries {
    fn of(sums: &Sums) -> Self {
        Self {
            count: sums.count,
            total: sums.total,
            slowest: sums
                .slowest
                .as_ref()
                .map(|(duration, statement)| SlowestQuery {
                    duration: *duration,
                    summary: statement.summary.clone().into_string(),
                    text: statement.text.clone().map(str::into_string),
                }),
        }
    }

    fn is_storm(&self) -> bool {
        let limits = settings::in_force();
        limits
            .query_count
            .is_some_and(|most| self.count > u64::from(most))
            || limits.query_time.is_some_and(|most| self.total > most)
    }

    /// The `query.storm` record, in the current context.
    fn tell(&self) {
        let slowest = self.slowest.as_ref();
        tracing::warn!(
            name: "query.storm",
            target: TARGET,
            {
                log.category = "performance",
                db.query.count = self.count,
                db.query.time = self.total.as_secs_f64(),
                db.query.summary = slowest.map(|query| query.summary.as_str()),
                db.query.text = slowest.and_then(|query| query.text.as_deref()),
                db.client.operation.duration = slowest.map(|query| query.duration.as_secs_f64()),
            },
            "too many or too slow queries for one piece of work"
        );
    }
}

/// Counts a query that has ended in this context.
pub(super) fn add(context: &Context, duration: Duration, statement: &Arc<Statement>) {
    if let Some(correlation) = context.get::<Correlation>() {
        correlation.queries_or_begin().add(duration, statement);
    }
}

/// The queries of the work at hand so far: since its outermost span began, or since
/// [`begin`], or since they were last [concluded](conclude).
///
/// Outside of any span there is nothing that they could belong to, and it is empty.
///
/// ```
/// let queries = throughline::database::queries();
/// assert_eq!(queries.count, 0);
/// ```
pub fn queries() -> Queries {
    Context::map_current(|context| {
        let tally = context.get::<Correlation>()?.queries()?;
        Some(tally.read())
    })
    .unwrap_or_default()
}

/// Counts from here on: what follows in the current span, its children and the tasks that
/// are given one of them is a piece of work of its own, and no longer part of what is around
/// it. A loop that takes messages inside of one long span wants this for each of them.
///
/// Without it, work is what the outermost span is about. Without a span nothing happens.
pub fn begin() {
    Context::map_current(begin_in);
}

/// [`begin`] in the context of a span.
pub(crate) fn begin_in(context: &Context) {
    if let Some(correlation) = context.get::<Correlation>() {
        correlation.begin_queries();
    }
}

/// Ends the count of the work at hand: returns it, and where it is above
/// `THROUGHLINE_QUERY_COUNT_WARN` (50) or `THROUGHLINE_QUERY_TIME_WARN_MS` (500) records
/// `query.storm` (WARN, `log.category=performance`). The next query begins a new count.
pub fn conclude() -> Queries {
    // Not inside of `map_current`, as the record is made in an attached context.
    conclude_in(&Context::current())
}

/// The sum of the queries of a piece of work.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "http"), allow(dead_code, reason = "for access records"))]
pub(crate) struct Asked {
    pub(crate) count: u64,
    pub(crate) total: Duration,
}

/// [`conclude`], for who ends a request or a job; `None` where it made no query.
pub(crate) fn asked() -> Option<Asked> {
    let Queries { count, total, .. } = conclude();
    (count > 0).then_some(Asked { count, total })
}

/// [`conclude`] in the context of the span that ends. The record is of that span.
pub(crate) fn conclude_in(context: &Context) -> Queries {
    let tally = context.get::<Correlation>().and_then(Correlation::queries);
    let queries = tally.map(Tally::take).unwrap_or_default();
    if queries.is_storm() {
        let _attached = context.clone().attach();
        queries.tell();
    }
    queries
}

#[cfg(test)]
mod tests {
    use super::super::statement::sample;
    use super::*;

    #[test]
    fn the_slowest_is_kept_and_what_was_concluded_begins_anew() {
        let context = Context::new().with_value(Correlation::root());
        for (millis, summary) in [(1, "SELECT a"), (3, "SELECT b"), (2, "SELECT c")] {
            add(&context, Duration::from_millis(millis), &sample(summary));
        }
        let queries = conclude_in(&context);
        assert_eq!(
            (queries.count, queries.total),
            (3, Duration::from_millis(6))
        );
        assert_eq!(queries.slowest.unwrap().summary, "SELECT b");
        assert_eq!(conclude_in(&context), Queries::default());
    }

    #[test]
    fn a_subtree_counts_for_the_request_unless_it_began_a_count_of_its_own() {
        let request = Context::new().with_value(Correlation::root());
        let subtree = |outer: &Context| outer.with_value(Correlation::subtree(outer.clone()));
        let (part, job) = (subtree(&request), subtree(&request));
        begin_in(&job);
        let within_job = subtree(&job);
        add(&part, Duration::from_millis(1), &sample("SELECT a"));
        add(&within_job, Duration::from_millis(5), &sample("SELECT b"));
        assert_eq!(conclude_in(&within_job).total, Duration::from_millis(5));
        assert_eq!(conclude_in(&job).count, 0);
        assert_eq!(conclude_in(&request).total, Duration::from_millis(1));
    }
}
