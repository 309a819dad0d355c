//! Work that can wait, as rows of a table: what a job needs to know of the request that asked
//! for it goes along.

use throughline::jobs::{self, Carrier};
use uuid::Uuid;

use crate::database::{Database, on};
use crate::time;

/// How often a job that failed is tried, the first time included.
pub(crate) const ATTEMPTS: i64 = 3;

macro_rules! kinds {
    ($($kind:ident = $name:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($kind,)*
        }

        impl Kind {
            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }

            pub(crate) fn named(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }
        }
    };
}

kinds! {
    Receipt = "send_receipt";
    Digest = "send_email_digest";
    Welcome = "send_welcome_email";
}

/// A job as it was asked for.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// Whom or what it is about: a user or an order.
    pub(crate) subject: String,
    pub(crate) carrier: Carrier,
    pub(crate) attempt: i64,
}

/// Asks for a job.
pub(crate) async fn enqueue(
    database: &Database,
    kind: Kind,
    subject: &str,
) -> Result<String, sqlx::Error> {
    let id = format!("j-{}", Uuid::now_v7().simple());
    let context = serde_json::to_string(&jobs::context()).unwrap_or_default();
    on!(database, db => {
        sqlx::query("INSERT INTO jobs VALUES ($1, $2, $3, $4, 'queued', 1, $5)")
            .bind(&id)
            .bind(kind.name())
            .bind(subject)
            .bind(context)
            .bind(time::now())
            .execute(db)
            .await?;
    });
    Ok(id)
}

/// Takes the job that has waited longest.
///
/// By SQLx's own pool: it is asked five times a second, and a look at an empty queue is no
/// work of anybody's.
pub(crate) async fn take(database: &Database) -> Result<Option<Job>, sqlx::Error> {
    let taken: Option<(String, String, String, String, i64)> = on!(database, db => {
        sqlx::query_as(
            "UPDATE jobs SET state = 'running' WHERE state = 'queued' AND id = (
                SELECT id FROM jobs WHERE state = 'queued' AND due_at <= $1
                ORDER BY due_at, id LIMIT 1)
             RETURNING id, kind, subject, context, attempt",
        )
        .bind(time::now())
        .fetch_optional(db.sqlx())
        .await?
    });
    let Some((id, kind, subject, context, attempt)) = taken else {
        return Ok(None);
    };
    let Some(kind) = Kind::named(&kind) else {
        // Of a newer shop's queue. It stays as `running`, for that shop to find.
        tracing::warn!(job.id = id, job.name = kind, "nobody here knows such a job");
        return Ok(None);
    };
    Ok(Some(Job {
        id,
        kind,
        subject,
        carrier: serde_json::from_str(&context).unwrap_or_default(),
        attempt,
    }))
}

/// Puts down how a job ended, or when it is to be tried again.
pub(crate) async fn settle(
    database: &Database,
    job: &Job,
    again: Option<i64>,
    state: &str,
) -> Result<(), sqlx::Error> {
    on!(database, db => {
        sqlx::query("UPDATE jobs SET state = $1, attempt = attempt + $2, due_at = $3 WHERE id = $4")
            .bind(if again.is_some() { "queued" } else { state })
            .bind(i64::from(again.is_some()))
            .bind(again.unwrap_or_else(time::now))
            .bind(&job.id)
            .execute(db.sqlx())
            .await?;
    });
    Ok(())
}

/// Those that were under way when the worker was killed, so that they are done after all.
pub(crate) async fn recover(database: &Database) -> Result<(), sqlx::Error> {
    on!(database, db => {
        sqlx::query("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
            .execute(db.sqlx())
            .await?;
    });
    Ok(())
}

/// How many there are, by state.
pub(crate) async fn depth(database: &Database) -> Result<Vec<(String, i64)>, sqlx::Error> {
    on!(database, db => {
        sqlx::query_as("SELECT state, count(*) FROM jobs GROUP BY state")
            .fetch_all(db.sqlx())
            .await
    })
}
