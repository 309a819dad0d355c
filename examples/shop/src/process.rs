//! How each of the services lives: it observes, serves until it is told to end, and says what
//! became of its telemetry.

use std::error::Error;
use std::future::Future;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use throughline::reexport::opentelemetry::KeyValue;
use throughline::{Telemetry, health};
use tokio::net::TcpListener;

use crate::database::Database;
use crate::faults::{Fault, Faults};
use crate::measures;

pub(crate) type Ended = Result<(), Box<dyn Error>>;

/// How long a check of health may take.
const CHECK_WITHIN: Duration = Duration::from_secs(2);

/// Starts telemetry under the service's name.
pub(crate) fn observe(service: &str) -> Result<Telemetry, throughline::InitError> {
    let telemetry = throughline::builder(service)
        .version(env!("CARGO_PKG_VERSION"))
        .resource([KeyValue::new("service.namespace", "shop")])
        .init()?;
    measures::describe();
    Ok(telemetry)
}

/// Serves until the process is told to end, with `background` beside it, which is to end by
/// itself then.
pub(crate) async fn serve(
    service: &str,
    listen: SocketAddr,
    routes: Router,
    faults: &Faults,
    background: impl Future<Output = ()>,
) -> Ended {
    let listener = TcpListener::bind(listen)
        .await
        .map_err(|error| format!("cannot listen at {listen} (--listen, SHOP_LISTEN): {error}"))?;
    let address = listener.local_addr()?;
    // The switches are not observed, as who uses them is no user of the shop. In this order:
    // of two merged routers the last one answers for unknown paths, and those are observed.
    let routes = faults
        .routes()
        .merge(routes.layer(throughline::http::server()));
    let server = axum::serve(
        listener,
        routes.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .with_graceful_shutdown(throughline::shutdown_signal());
    say(&format!("shop {service}: listening on http://{address}\n"));
    let (served, ()) = tokio::join!(server, background);
    served?;
    Ok(())
}

/// Sends what is left, and says on one line what was delivered.
pub(crate) async fn end(service: &str, database: &Database, telemetry: Telemetry) {
    // First, so that no connection's thread still holds a span of its last query.
    database.close().await;
    let report = telemetry.shutdown_async().await;
    say(&format!("shop {service}: {report}\n"));
}

/// In one piece: `eprintln!` writes each part of its text by itself, and those are lines of
/// their own to who collects a container's output.
pub(crate) fn say(line: &str) {
    // Where nobody listens any more there is nobody to be told so.
    std::io::stderr().write_all(line.as_bytes()).ok();
}

#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error("the fault `unhealthy` is on")]
    Fault,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// The pages of health, of a service that is no use without its database.
pub(crate) fn health(database: &Database, faults: &Faults) -> Router {
    let (database, faults) = (database.clone(), faults.clone());
    let check = move || {
        let (database, faults) = (database.clone(), faults.clone());
        async move {
            if faults.strikes(Fault::Unhealthy) {
                return Err(Unhealthy::Fault);
            }
            Ok(database.ping().await?)
        }
    };
    health::checks()
        .check("database", check, CHECK_WITHIN)
        .router()
}
