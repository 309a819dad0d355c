//! The storefront and the payments that it calls, as two processes, and checkouts by a client
//! in front of them.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, Result};
use reqwest::{Client, StatusCode, header::HeaderMap};
use tokio::task;
use xtask::postgres::Postgres;

use crate::{
    run::Run,
    service::{self, Exit, Options, Service},
    stack::Servers,
};

/// The header of a checkout that says whose it is.
pub const SESSION: &str = "x-session";
/// What is in the only cart.
pub const AMOUNT: i64 = 9_999;
/// Where payments takes the money.
pub const TAKE: &str = "/payments";
/// Where it cannot.
pub const BROKEN: &str = "/payments/fail";

/// Both services, running.
#[derive(Debug)]
pub struct Pair {
    story: Story,
    storefront: Service,
    payments: Service,
    address: SocketAddr,
    // Last, so that it outlives its client.
    database: Postgres,
}

/// By what the servers know them.
#[derive(Clone, Debug)]
pub struct Story {
    pub storefront: Run,
    pub payments: Run,
    /// The shopper of the only session, whom no other run has.
    pub user: String,
    pub session: String,
    /// Where payments is, without a slash at the end.
    pub payments_url: String,
    pub database_port: u16,
}

/// What the client in front of the storefront was answered.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    /// The answer's `x-request-id`.
    pub request_id: String,
}

/// How both ended.
#[derive(Debug)]
pub struct Exits {
    pub storefront: Exit,
    pub payments: Exit,
}

impl Pair {
    /// Starts PostgreSQL, then payments, and then the storefront with `variables` of its own,
    /// and waits until each is ready.
    ///
    /// # Errors
    /// If one of them does not start.
    pub async fn start(servers: &Servers, variables: &[(&str, &str)]) -> Result<Self> {
        let database = task::spawn_blocking(Postgres::start).await??;
        let run = Run::new("storefront");
        let of_run = |word| run.service.replace("e2e-storefront", word);
        let [storefront_address, payments_address] = free()?;
        let story = Story {
            payments: Run::new("payments"),
            user: of_run("ada"),
            session: of_run("session"),
            payments_url: format!("http://{payments_address}"),
            database_port: database.port(),
            storefront: run,
        };
        let url = database.url();
        let known = [("PAIR_DATABASE", url.as_str())];
        let payments = serve(
            "payments",
            &story.payments,
            payments_address,
            servers,
            &known,
        )
        .await?;
        let known = [
            ("PAIR_PAYMENTS", story.payments_url.as_str()),
            ("PAIR_SESSION", &story.session),
            ("PAIR_USER", &story.user),
        ];
        let known = [&known, variables].concat();
        let storefront = serve(
            "storefront",
            &story.storefront,
            storefront_address,
            servers,
            &known,
        )
        .await?;
        Ok(Self {
            story,
            storefront,
            payments,
            address: storefront_address,
            database,
        })
    }

    /// Asks the storefront for something in the shopper's session.
    ///
    /// # Errors
    /// If it does not answer, or without a request id.
    pub async fn post(&self, path: &str, headers: HeaderMap) -> Result<Answered> {
        let answer = Client::new()
            .post(format!("http://{}{path}", self.address))
            .header(SESSION, &self.story.session)
            .headers(headers)
            .send()
            .await?;
        let id = answer.headers().get("x-request-id");
        let request_id = id.context("an answer without x-request-id")?.to_str()?;
        Ok(Answered {
            status: answer.status(),
            request_id: request_id.to_owned(),
        })
    }

    /// SIGTERM to the storefront and then to payments, and waits for good ends, with which
    /// everything is delivered.
    ///
    /// # Errors
    /// If one does not end in time and with exit code 0.
    pub async fn stop(self) -> Result<(Story, Exits)> {
        let exits = Exits {
            storefront: self.storefront.stop().await?,
            payments: self.payments.stop().await?,
        };
        drop(self.database);
        Ok((self.story, exits))
    }
}

/// Both are held until they are known, so that they differ.
fn free() -> Result<[SocketAddr; 2]> {
    let held = (
        TcpListener::bind(("127.0.0.1", 0))?,
        TcpListener::bind(("127.0.0.1", 0))?,
    );
    Ok([held.0.local_addr()?, held.1.local_addr()?])
}

async fn serve(
    role: &str,
    run: &Run,
    address: SocketAddr,
    servers: &Servers,
    variables: &[(&str, &str)],
) -> Result<Service> {
    let options = Options {
        sentry: true,
        ..Options::default()
    };
    let mut command = service::command("pair", run, servers, options)?;
    command
        .arg(role)
        .env("PAIR_ADDR", address.to_string())
        .envs(variables.iter().copied());
    Service::start(command, &format!("http://{address}/readyz")).await
}
