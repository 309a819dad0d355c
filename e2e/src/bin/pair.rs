//! Two services, one of which calls the other, so that the tests can see one request through
//! both: `pair storefront` knows its shoppers by SQLite, and has `pair payments` take the
//! money, which keeps its books in PostgreSQL.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use reqwest_middleware::ClientWithMiddleware;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions, Database, Postgres, Sqlite};
use throughline::database::{self, Pool};
use throughline::http::{HandlerError, UrlTemplate};
use throughline::streams::business;
use throughline::{context, health};
use throughline_e2e::pair::{AMOUNT, BROKEN, SESSION, TAKE};
use tokio::net::TcpListener;
use tracing::info;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let telemetry = throughline::init("pair")?;
    match env::args().nth(1).as_deref() {
        Some("storefront") => storefront().await?,
        Some("payments") => payments().await?,
        other => return Err(format!("expected storefront or payments, not {other:?}").into()),
    }
    let report = telemetry.shutdown_async().await;
    eprintln!("pair: {report}");
    Ok(())
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// Serves until the process is told to end.
async fn serve(routes: Router) -> Result<(), Box<dyn Error>> {
    let address = variable("PAIR_ADDR")?;
    let listener = TcpListener::bind(&address)
        .await
        .map_err(|error| format!("cannot listen at {address} (PAIR_ADDR): {error}"))?;
    let routes = routes.layer(throughline::http::server());
    let service = routes.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(throughline::shutdown_signal())
        .await?;
    Ok(())
}

/// `/readyz` and the like, for a service that is no use without its database.
fn health_of<DB: Database>(db: &Pool<DB>) -> Router
where
    for<'c> &'c Pool<DB>: sqlx::Executor<'c, Database = DB>,
    for<'q> DB::Arguments: sqlx::IntoArguments<DB>,
{
    let db = db.clone();
    let ping = move || {
        let db = db.clone();
        async move { sqlx::query("SELECT 1").execute(&db).await.map(drop) }
    };
    health::checks()
        .check("database", ping, Duration::from_secs(5))
        .router()
}

/// What a handler cannot help: the layer reports it, with its type.
struct Failed(HandlerError);

impl<E: Error + Send + Sync + 'static> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(HandlerError::new(error))
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self.0);
        response
    }
}

#[derive(Clone)]
struct Storefront {
    db: Pool<Sqlite>,
    client: ClientWithMiddleware,
    /// Where the payments are, without a slash at the end.
    payments: String,
}

async fn storefront() -> Result<(), Box<dyn Error>> {
    let options = SqliteConnectOptions::new()
        .in_memory(true)
        .disable_statement_logging();
    // Each connection would have a database of its own.
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect_with(options).await?;
    for table in [
        "CREATE TABLE sessions (id TEXT PRIMARY KEY, user_id TEXT)",
        "CREATE TABLE carts (user_id TEXT PRIMARY KEY, amount INTEGER)",
    ] {
        sqlx::query(table).execute(&pool).await?;
    }
    let user = variable("PAIR_USER")?;
    sqlx::query("INSERT INTO sessions VALUES (?, ?)")
        .bind(variable("PAIR_SESSION")?)
        .bind(&user)
        .execute(&pool)
        .await?;
    sqlx::query("INSERT INTO carts VALUES (?, ?)")
        .bind(&user)
        .bind(AMOUNT)
        .execute(&pool)
        .await?;

    let client = reqwest::Client::builder()
        // So that whoever is called can tell who called.
        .user_agent(variable("OTEL_SERVICE_NAME")?)
        .build()?;
    let storefront = Storefront {
        db: database::instrument(pool).named("shop"),
        client: reqwest_middleware::ClientBuilder::new(client)
            .with(throughline::http::client())
            .build(),
        payments: variable("PAIR_PAYMENTS")?,
    };
    let db = storefront.db.clone();
    let routes = Router::new()
        .route("/checkouts", post(checkout))
        .route("/checkouts/broken", post(broken_checkout))
        .with_state(storefront)
        .merge(health_of(&db));
    serve(routes).await?;
    // First, so that no connection's thread still holds a span of its last query.
    db.close().await;
    Ok(())
}

async fn checkout(State(it): State<Storefront>, headers: HeaderMap) -> Result<Response, Failed> {
    it.buy(&headers, TAKE).await
}

async fn broken_checkout(
    State(it): State<Storefront>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    it.buy(&headers, BROKEN).await
}

impl Storefront {
    /// Of the request first the session is known, and by that the user.
    async fn buy(&self, headers: &HeaderMap, payment: &'static str) -> Result<Response, Failed> {
        let session = headers.get(SESSION).and_then(|value| value.to_str().ok());
        let Some(session) = session else {
            return Ok(StatusCode::UNAUTHORIZED.into_response());
        };
        context::set_session(session);
        let user: String = sqlx::query_scalar("SELECT user_id FROM sessions WHERE id = ?")
            .bind(session)
            .fetch_one(&self.db)
            .await?;
        context::set_user(&user);
        let amount: i64 = sqlx::query_scalar("SELECT amount FROM carts WHERE user_id = ?")
            .bind(&user)
            .fetch_one(&self.db)
            .await?;
        info!(payment.amount = amount, "checking out");

        let answer = self
            .client
            .post(format!("{}{payment}", self.payments))
            .with_extension(UrlTemplate(payment))
            .body(amount.to_string())
            .send()
            .await?;
        let status = answer.status();
        info!(
            http.response.status_code = status.as_u16(),
            "payments answered"
        );
        if !status.is_success() {
            // Payments has told the error, and an answer from 500 on would make a second one of
            // it here, where it is a sale that did not come about.
            business::checkout_failed("payment not taken").emit();
            return Ok(StatusCode::PAYMENT_REQUIRED.into_response());
        }
        let id = answer.text().await?;
        business::checkout_completed(1).payment(&id).emit();
        Ok(format!("paid by payment {id}\n").into_response())
    }
}

async fn payments() -> Result<(), Box<dyn Error>> {
    let options: PgConnectOptions = variable("PAIR_DATABASE")?.parse()?;
    let pool = PgPoolOptions::new().max_connections(2);
    let pool = pool
        .connect_with(options.disable_statement_logging())
        .await?;
    let table = "CREATE TABLE payments (id BIGSERIAL PRIMARY KEY, amount BIGINT NOT NULL)";
    sqlx::query(table).execute(&pool).await?;
    let db = database::instrument(pool);
    let routes = Router::new()
        .route(TAKE, post(take))
        .route(BROKEN, post(fail))
        .with_state(db.clone())
        .merge(health_of(&db));
    serve(routes).await?;
    db.close().await;
    Ok(())
}

async fn take(State(db): State<Pool<Postgres>>, amount: String) -> Result<String, Failed> {
    let amount: i64 = amount.parse()?;
    let insert = "INSERT INTO payments (amount) VALUES ($1) RETURNING id";
    let id: i64 = sqlx::query_scalar(insert)
        .bind(amount)
        .fetch_one(&db)
        .await?;
    info!(payment.id = id, payment.amount = amount, "payment taken");
    Ok(id.to_string())
}

#[derive(Debug, thiserror::Error)]
#[error("payment of {0} was not taken")]
struct PaymentError(i64, #[source] ProviderError);

#[derive(Debug, thiserror::Error)]
#[error("the provider refused")]
struct ProviderError(#[source] ConnectionError);

#[derive(Debug, thiserror::Error)]
#[error("the connection was lost")]
struct ConnectionError(#[source] TimeoutError);

#[derive(Debug, thiserror::Error)]
#[error("no answer within 5 s")]
struct TimeoutError;

async fn fail(State(db): State<Pool<Postgres>>, amount: String) -> Result<String, Failed> {
    let amount: i64 = amount.parse()?;
    let earlier: i64 = sqlx::query_scalar("SELECT count(*) FROM payments WHERE amount = $1")
        .bind(amount)
        .fetch_one(&db)
        .await?;
    info!(payment.count = earlier, "asking the provider");
    let lost = ConnectionError(TimeoutError);
    Err(PaymentError(amount, ProviderError(lost)).into())
}
