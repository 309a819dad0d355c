//! A counted load: every request has an id of its own, by which each server is asked for it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Duration, MissedTickBehavior, interval},
};

/// How many requests are under way at a time.
const CONCURRENCY: usize = 8;

/// What each of these leaves between the requests of an endless load.
const PACE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    Orders,
    Reports,
    Payments,
    Panics,
}

impl Route {
    pub const ALL: [Self; 4] = [Self::Orders, Self::Reports, Self::Payments, Self::Panics];

    fn folder(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Reports => "reports",
            Self::Payments => "payments",
            Self::Panics => "panics",
        }
    }

    /// `http.route`.
    #[must_use]
    pub fn template(self) -> String {
        format!("/{}/{{id}}", self.folder())
    }

    /// The name of the request's root span.
    #[must_use]
    pub fn span(self) -> String {
        format!("GET {}", self.template())
    }

    /// The status that the route always answers.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Orders | Self::Reports => 200,
            Self::Payments | Self::Panics => 500,
        }
    }

    /// The level of the one record that a request makes.
    #[must_use]
    pub fn level(self) -> &'static str {
        match self {
            Self::Orders => "INFO",
            Self::Reports => "WARN",
            Self::Payments | Self::Panics => "ERROR",
        }
    }
}

/// A request that was answered completely, with the status that its route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub route: Route,
    pub id: u64,
}

/// Makes requests whose ids are unique within a run.
#[derive(Clone, Debug)]
pub struct Load {
    address: SocketAddr,
    client: Client,
    next: Arc<AtomicU64>,
}

impl Load {
    #[must_use]
    pub fn on(address: SocketAddr) -> Self {
        Self {
            address,
            client: Client::new(),
            next: Arc::new(AtomicU64::new(1)),
        }
    }

    /// `each` requests to each of `routes`, mixed.
    ///
    /// # Errors
    /// If one is not answered, or not with its route's status.
    pub async fn drive(&self, routes: &[Route], each: usize) -> Result<Vec<Request>> {
        stream::iter((0..each).flat_map(|_| routes.iter().copied()))
            .map(|route| self.request(route))
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// Requests without end, several at a time, at a pace that leaves the servers their share
    /// of the machine.
    #[must_use]
    pub fn run(&self, routes: &'static [Route]) -> Running {
        let (sender, answered) = mpsc::unbounded_channel();
        let mut workers = JoinSet::new();
        for worker in 0..CONCURRENCY {
            let load = self.clone();
            let sender = sender.clone();
            workers.spawn(async move {
                let mut pace = interval(PACE);
                pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
                for turn in worker.. {
                    pace.tick().await;
                    let Ok(request) = load.request(routes[turn % routes.len()]).await else {
                        return;
                    };
                    if sender.send(request).is_err() {
                        return;
                    }
                }
            });
        }
        Running {
            answered,
            _workers: workers,
        }
    }

    async fn request(&self, route: Route) -> Result<Request> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let url = format!("http://{}/{}/{id}", self.address, route.folder());
        let response = self
            .client
            .get(&url)
            .send()
            .await
            .with_context(|| format!("the quickstart did not answer GET {url}"))?;
        let status = response.status().as_u16();
        // Complete means with the whole body.
        let body = response
            .text()
            .await
            .with_context(|| format!("half an answer to GET {url}"))?;
        ensure!(
            status == route.status(),
            "the quickstart answered GET {url} with {status}, expected {}: {body}",
            route.status()
        );
        Ok(Request { route, id })
    }
}

/// A load that goes on until it is dropped or its service stops answering.
#[derive(Debug)]
pub struct Running {
    answered: mpsc::UnboundedReceiver<Request>,
    _workers: JoinSet<()>,
}

impl Running {
    /// The next request that was answered; `None` once every worker met an error, such as
    /// a service that has stopped.
    pub async fn next(&mut self) -> Option<Request> {
        self.answered.recv().await
    }
}
