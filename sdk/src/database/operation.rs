//! One call to the database, from its start to its end: its span, its duration, its place in
//! the request's count, and a record where it was slow.

use std::sync::Arc;
use std::time::Instant;

use opentelemetry::Context;
use sqlx::Error;
use tracing::Span;
use tracing::field::Empty;

use super::failure::Failure;
use super::statement::Statement;
use super::target::Target;
use super::{TARGET, tally};
use crate::settings;

/// A call that runs. Dropped before it was [ended](Self::end), it was cancelled.
#[derive(Debug)]
pub(super) struct Operation {
    span: Span,
    statement: Arc<Statement>,
    target: Arc<Target>,
    started: Instant,
    /// How many rows came, for what can return rows.
    rows: Option<u64>,
    ended: bool,
}

impl Operation {
    /// A call that runs a statement.
    pub(super) fn query(target: &Arc<Target>, statement: Arc<Statement>) -> Self {
        let mut query = Self::call(target, statement);
        query.rows = Some(0);
        query
    }

    /// Any other: it counts as no query.
    pub(super) fn call(target: &Arc<Target>, statement: Arc<Statement>) -> Self {
        let span = tracing::info_span!(
            target: TARGET,
            "query",
            otel.name = statement.name(target),
            otel.kind = "client",
            otel.status_code = Empty,
            db.system.name = &*target.system,
            db.namespace = target.namespace.as_deref(),
            db.operation.name = statement.operation,
            db.query.summary = (!statement.summary.is_empty()).then_some(&*statement.summary),
            db.query.text = statement.text.as_deref(),
            db.response.status_code = Empty,
            db.response.returned_rows = Empty,
            server.address = target.address.as_deref(),
            server.port = target.port.map(i64::from),
            error.type = Empty,
        );
        Self {
            span,
            statement,
            target: Arc::clone(target),
            started: Instant::now(),
            rows: None,
            ended: false,
        }
    }

    pub(super) fn span(&self) -> &Span {
        &self.span
    }

    pub(super) fn row(&mut self) {
        self.rows = self.rows.map(|rows| rows + 1);
    }

    /// What it came to: `Ok` also for a stream that was dropped when its reader had enough.
    pub(super) fn end(&mut self, outcome: Result<(), &Error>) {
        self.finish(outcome.err().and_then(Failure::of).as_ref());
    }

    fn finish(&mut self, failure: Option<&Failure>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let duration = self.started.elapsed();
        if let Some(rows) = self.rows {
            // OTLP has no unsigned numbers.
            let rows = i64::try_from(rows).unwrap_or(i64::MAX);
            self.span.record("db.response.returned_rows", rows);
        }
        if let Some(failure) = failure {
            self.span.record("otel.status_code", "ERROR");
            self.span.record("error.type", &*failure.kind);
            if let Some(code) = &failure.status_code {
                self.span.record("db.response.status_code", code.as_str());
            }
        }
        // The stream may be dropped anywhere; the request is the one that it began in.
        let span = std::mem::replace(&mut self.span, Span::none());
        span.in_scope(|| {
            self.statement.duration.record(duration, failure);
            if self.rows.is_some() {
                Context::map_current(|context| tally::add(context, duration, &self.statement));
            }
            let limit = settings::in_force().slow_query;
            if limit.is_some_and(|limit| duration >= limit) {
                self.tell(duration.as_secs_f64(), failure);
            }
        });
    }

    fn tell(&self, seconds: f64, failure: Option<&Failure>) {
        tracing::warn!(
            name: "query.slow",
            target: TARGET,
            {
                log.category = "performance",
                db.system.name = &*self.target.system,
                db.namespace = self.target.namespace.as_deref(),
                db.query.summary = self.statement.name(&self.target),
                db.query.text = self.statement.text.as_deref(),
                db.client.operation.duration = seconds,
                error.type = failure.map(|failure| &*failure.kind),
            },
            "slow query"
        );
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.finish(Some(&Failure::CANCELLED));
    }
}
