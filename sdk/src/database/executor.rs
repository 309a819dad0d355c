//! Running a statement inside of its operation: what the pool's, the connection's and the
//! transaction's executors have in common.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use futures_core::future::BoxFuture;
use futures_core::stream::{BoxStream, Stream};
use sqlx::error::BoxDynError;
use sqlx::{Arguments, Database, Either, Error, Execute, SqlStr};
use tracing::Instrument;

use super::driver::{Driver, Step};
use super::operation::Operation;
use super::statement::Statements;
use super::target::Target;

/// A query whose text has been looked at: SQLx gives that only to whom gives the query away.
#[derive(Debug)]
pub(super) struct Query<DB: Database> {
    sql: SqlStr,
    arguments: Result<Option<DB::Arguments>, BoxDynError>,
    statement: Option<DB::Statement>,
    persistent: bool,
}

impl<DB: Database> Query<DB> {
    pub(super) fn of<'q>(mut query: impl Execute<'q, DB>) -> Self {
        let arguments = query.take_arguments();
        let persistent = query.persistent();
        let statement = query.statement().cloned();
        Self {
            arguments,
            statement,
            persistent,
            sql: query.sql(),
        }
    }

    pub(super) fn operation(&self, target: &Arc<Target>, statements: &Statements) -> Operation {
        let bound = self.arguments.as_ref().ok().and_then(Option::as_ref);
        let parameterised = bound.is_some_and(|arguments| arguments.len() > 0);
        let statement = statements.get(self.sql.as_str(), parameterised, target);
        Operation::query(target, statement)
    }
}

impl<'q, DB: Database> Execute<'q, DB> for Query<DB> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// Rows as they come, inside of their operation.
pub(super) fn stream<'e, DB: Database>(
    operation: Operation,
    steps: BoxStream<'e, Result<Step<DB>, Error>>,
) -> BoxStream<'e, Result<Step<DB>, Error>> {
    Box::pin(Steps::<DB> {
        operation,
        steps: Some(steps),
        waits: false,
    })
}

/// Runs a call inside of its operation.
pub(super) async fn call<T>(
    mut operation: Operation,
    call: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let span = operation.span().clone();
    let outcome = call.instrument(span).await;
    operation.end(outcome.as_ref().map(drop));
    outcome
}

/// The same for one row or none.
pub(super) async fn optional<R>(
    mut operation: Operation,
    call: impl Future<Output = Result<Option<R>, Error>>,
) -> Result<Option<R>, Error> {
    let span = operation.span().clone();
    let outcome = call.instrument(span).await;
    if matches!(outcome, Ok(Some(_))) {
        operation.row();
    }
    operation.end(outcome.as_ref().map(drop));
    outcome
}

struct Steps<'e, DB: Database> {
    operation: Operation,
    /// `None` from its end on, so that its connection is free as soon as it can be.
    steps: Option<BoxStream<'e, Result<Step<DB>, Error>>>,
    /// Whether the database has been asked for more and has not answered.
    waits: bool,
}

impl<DB: Database> Stream for Steps<'_, DB> {
    type Item = Result<Step<DB>, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(steps) = &mut this.steps else {
            return Poll::Ready(None);
        };
        this.waits = true;
        let step = {
            let _entered = this.operation.span().enter();
            ready!(steps.as_mut().poll_next(cx))
        };
        this.waits = false;
        match &step {
            Some(Ok(Either::Right(_))) => this.operation.row(),
            Some(Ok(Either::Left(_))) => {}
            Some(Err(error)) => {
                this.operation.end(Err(error));
                this.steps = None;
            }
            None => {
                this.operation.end(Ok(()));
                this.steps = None;
            }
        }
        Poll::Ready(step)
    }
}

impl<DB: Database> Drop for Steps<'_, DB> {
    fn drop(&mut self) {
        // Who drops it between two rows has enough; who drops it while it waits gives up.
        if !self.waits {
            self.operation.end(Ok(()));
        }
    }
}

/// The steps of a query on a connection that the stream itself has to get and to hold: what
/// borrows from the connection cannot lie beside it, so both are in one future, which hands
/// the steps over one by one.
pub(super) fn on_own_connection<'e, DB, C, F>(
    acquire: F,
    query: Query<DB>,
) -> BoxStream<'e, Result<Step<DB>, Error>>
where
    DB: Driver,
    C: AsMut<DB::Connection> + Send + 'e,
    F: Future<Output = Result<C, Error>> + Send + 'e,
{
    let place = Arc::new(Place(Mutex::new(None)));
    let handed = Arc::clone(&place);
    let work: BoxFuture<'e, Result<(), Error>> = Box::pin(async move {
        let mut connection = acquire.await?;
        let mut steps = DB::fetch_many(connection.as_mut(), query);
        while let Some(step) = poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
            handed.put(step?);
            // Goes on when the step was taken, which is when it is polled for the next.
            poll_fn(|_| match handed.is_free() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            })
            .await;
        }
        Ok(())
    });
    Box::pin(OwnConnection {
        work: Some(work),
        place,
    })
}

/// Where one step waits to be taken.
struct Place<T>(Mutex<Option<T>>);

impl<T> Place<T> {
    fn put(&self, step: T) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(step);
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_free(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
    }
}

struct OwnConnection<'e, T> {
    /// `None` after its end.
    work: Option<BoxFuture<'e, Result<(), Error>>>,
    place: Arc<Place<T>>,
}

impl<T> Stream for OwnConnection<'_, T> {
    type Item = Result<T, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(work) = &mut this.work else {
            return Poll::Ready(None);
        };
        let polled = work.as_mut().poll(cx);
        if let Some(step) = this.place.take() {
            return Poll::Ready(Some(Ok(step)));
        }
        let outcome = ready!(polled);
        // Gives the connection back.
        this.work = None;
        Poll::Ready(outcome.err().map(Err))
    }
}
