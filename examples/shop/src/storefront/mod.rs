//! What the users see: catalogue, accounts, baskets and checkouts.

mod accounts;
mod admin;
mod basket;
mod catalogue;
mod checkout;
mod customers;
mod digests;
mod goods;
mod orders;
mod passwords;
mod payment_client;
mod profile;
mod reviews;
mod sessions;
mod stock;

use std::time::Duration;

use axum::Router;
use axum::routing::{delete, get, post, put};
use clap::Args;
use throughline::http::{attack_signals, security_headers};

use crate::database::Database;
use crate::faults::Faults;
use crate::process::{self, Ended};
use crate::schema;
use crate::settings::Settings;
use payment_client::PaymentClient;

pub(crate) use customers::{DORMANT, HOUSE_ORDER, password_of};
pub(crate) use goods::{SOLD_OUT, UNREVIEWED};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    settings: Settings,
    /// Where payments is
    #[arg(long, env = "SHOP_PAYMENTS", default_value = "http://127.0.0.1:8081")]
    payments: String,
}

/// More of one address is told as a burst. Of a shop, a hundred in ten seconds are no person.
const REQUESTS: (u32, Duration) = (100, Duration::from_secs(10));

#[derive(Clone)]
struct Storefront {
    database: Database,
    payments: PaymentClient,
    faults: Faults,
}

pub(crate) async fn run(arguments: Arguments) -> Ended {
    let telemetry = process::observe("storefront")?;
    let settings = arguments.settings;
    let database = Database::open(settings.database_url.as_deref(), &settings.data, "shop").await?;
    schema::create(&database, schema::SHOP).await?;
    goods::put_on_sale(&database).await?;
    customers::invite(&database).await?;
    let faults = Faults::new(&settings.faults);
    let storefront = Storefront {
        database: database.clone(),
        payments: PaymentClient::new(&arguments.payments)?,
        faults: faults.clone(),
    };
    let routes = routes(storefront, process::health(&database, &faults));
    let watched = stock::watch(&database);
    process::serve("storefront", settings.listen, routes, &faults, watched).await?;
    process::end("storefront", &database, telemetry).await;
    Ok(())
}

fn routes(storefront: Storefront, health: Router) -> Router {
    let (most, within) = REQUESTS;
    Router::new()
        .route("/", get(catalogue::home))
        .route("/products", get(catalogue::search))
        .route("/products/{id}", get(catalogue::product))
        .route("/products/{id}/rating", get(reviews::rating))
        .route("/products/{id}/reviews", post(reviews::write))
        .route("/register", post(accounts::register))
        .route("/login", post(accounts::log_in))
        .route("/logout", post(accounts::log_out))
        .route("/account", get(profile::show).put(profile::update))
        .route("/account/password", put(accounts::change_password))
        .route("/account/export", get(profile::export))
        .route("/basket", get(basket::show).post(basket::add))
        .route("/basket/{product}", delete(basket::remove))
        .route("/checkout", post(checkout::check_out))
        .route("/orders", get(orders::list))
        .route("/orders/{id}", get(orders::show))
        .route("/orders/{id}/refund", post(orders::refund))
        .route("/subscriptions", post(orders::subscribe))
        .route("/digests", post(digests::ask))
        .route("/admin/users", get(admin::users))
        .route("/admin/users/{name}/enabled", put(admin::enable))
        .route("/admin/sales", get(admin::sales))
        .with_state(storefront)
        // Before the layers, which are then around the answers for unknown paths as well.
        .merge(health)
        .layer(attack_signals().requests(most, within))
        .layer(security_headers())
}
