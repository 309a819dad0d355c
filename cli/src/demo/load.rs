//! Requests to each route of the quickstart, the failing ones too.

use std::{
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use reqwest::Client;
use tokio::time::{MissedTickBehavior, interval};

/// One round. Most requests of a service that is well are good ones.
const ROUND: [Route; 6] = [
    Route::Order,
    Route::Order,
    Route::Report,
    Route::Order,
    Route::Payment,
    Route::Panic,
];

/// Slow enough to read along in another terminal.
const PACE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Order,
    Report,
    Payment,
    Panic,
}

impl Route {
    fn path(self, id: u64) -> String {
        match self {
            Self::Order => format!("/orders/{id}"),
            Self::Report => format!("/reports/{id}"),
            Self::Payment => format!("/payments/{id}"),
            Self::Panic => format!("/panics/{id}"),
        }
    }
}

/// A request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) path: String,
    pub(super) status: u16,
}

pub(super) struct Load {
    pub(super) answers: Vec<Answer>,
    pub(super) interrupted: bool,
}

/// Sends requests until `deadline` or until `interrupted`; a round is always finished, so
/// each route is called.
pub(super) async fn drive(
    address: SocketAddr,
    deadline: Instant,
    interrupted: impl Future<Output = Option<()>>,
) -> Result<Load> {
    let client = Client::new();
    let mut interrupted = pin!(interrupted);
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut load = Load {
        answers: Vec::new(),
        interrupted: false,
    };
    let mut id = 0;
    loop {
        for route in ROUND {
            tokio::select! {
                _ = pace.tick() => {}
                _ = &mut interrupted => {
                    load.interrupted = true;
                    return Ok(load);
                }
            }
            id += 1;
            let path = route.path(id);
            let url = format!("http://{address}{path}");
            let answer = client.get(&url).send().await;
            let status = answer
                .with_context(|| format!("no answer to GET {url}"))?
                .status()
                .as_u16();
            load.answers.push(Answer { path, status });
        }
        if Instant::now() >= deadline {
            return Ok(load);
        }
    }
}
