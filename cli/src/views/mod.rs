//! What each page asks of the store, and which part of it it shows.

mod analytics;
mod audit;
mod business;
mod compare;
mod context;
mod error;
mod errors;
mod failure;
#[cfg(test)]
mod fixture;
mod go;
mod health;
mod lines;
mod links;
mod logs;
mod metric;
mod metrics;
mod money;
mod otlp_json;
mod overview;
mod performance;
mod ranged;
mod record;
mod red;
mod security;
mod stream;
mod table;
#[cfg(test)]
mod tests;
mod trace;
mod traces;
mod users;
mod volume;

use std::sync::{Arc, atomic::AtomicU64};

use axum::{
    Router,
    extract::State,
    response::IntoResponse,
    routing::{get, post},
};

use crate::{
    dev::{Counts, ForwardStatus, Running},
    page::{self, PageRequest, View},
    store::{Bounds, Readers, Store},
};

/// What every view may ask.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) store: Arc<Store>,
    pub(crate) readers: Readers,
    pub(crate) counts: Counts,
    pub(crate) running: Running,
    pub(crate) bounds: Bounds,
    /// Of what is passed on, if anything is.
    pub(crate) forward: Option<ForwardStatus>,
    /// Items that were to be passed on and given up, as too much waited.
    pub(crate) outbox_dropped: Arc<AtomicU64>,
}

/// All pages.
pub(crate) fn router(app: App) -> Router {
    let views = Router::new()
        .route("/readyz", get(async || "ready\n"))
        .route("/live", get(live))
        .route("/", get(overview::overview))
        .route("/traces", get(traces::traces))
        .route("/traces/{trace}", get(trace::trace))
        .route("/compare", get(compare::compare))
        .route("/metrics", get(metrics::metrics))
        .route("/metrics/{name}", get(metric::metric))
        .route("/logs", get(logs::logs))
        .route("/logs.json", get(logs::export))
        .route("/logs/{id}", get(record::record))
        .route("/security", get(security::security))
        .route("/go", get(go::go))
        .route("/health", get(health::health))
        .route("/users", get(users::users))
        .route("/audit", get(audit::audit))
        .route("/business", get(business::business))
        .route("/analytics", get(analytics::analytics))
        .route("/errors", get(errors::errors))
        .route("/errors/{id}", get(error::error))
        .route("/errors/{id}/resolve", post(error::resolve))
        .fallback(async |request: PageRequest| {
            page::not_found(
                &request,
                View::Overview,
                "such page",
                "The address is none of this program's.",
            )
        })
        .with_state(app);
    page::router(views)
}

async fn live(State(app): State<App>) -> impl IntoResponse {
    page::live(app.store.changes())
}
