//! The page of `throughline dev`: what the browser is sent, and how it looks.
//!
//! A view is an askama template and the struct that fills it, wrapped in the [`Shell`]:
//!
//! ```ignore
//! #[derive(askama::Template)]
//! #[template(path = "logs.html")]
//! struct Logs { lines: Vec<LogLine> }
//!
//! async fn logs(request: PageRequest) -> Response {
//!     Shell::new(&request, View::Logs, "Logs").respond(&Logs { lines })
//! }
//! ```
//!
//! Everything that a browser shows comes from strangers, so text reaches the page by one of two
//! ways that both escape: askama's templates, and the [`markup`] builder for drawings.

mod assets;
pub(crate) mod chart;
pub(crate) mod format;
mod go;
mod headers;
mod live;
pub(crate) mod markup;
pub(crate) mod query;
pub(crate) mod record;
mod request;
mod shell;
pub(crate) mod table;
pub(crate) mod trace;
pub(crate) mod value;

pub(crate) use go::{Find, destination};
pub(crate) use live::{Counters, live};
pub(crate) use query::{Query, href};
pub(crate) use request::{PageRequest, Since};
pub(crate) use shell::{Shell, View, not_found};

use axum::Router;
use tower_http::compression::CompressionLayer;

/// The page's own files, and around them and all of `views` what every answer has: the
/// headers that keep foreign text harmless, and gzip.
pub(crate) fn router(views: Router) -> Router {
    views
        .route("/assets/{file}", axum::routing::get(assets::serve))
        .layer(axum::middleware::map_response(headers::harden))
        .layer(CompressionLayer::new())
}
