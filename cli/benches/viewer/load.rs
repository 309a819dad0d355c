//! Load on a server: as much as it takes, or at a pace.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Context, Result};
use tokio::task::JoinSet;

use crate::{
    client::{Client, Transport},
    requests::Requests,
};

const CONNECTIONS: usize = 4;
/// Requests under way on each connection; of HTTP/1.1, so many times the connections.
const IN_FLIGHT: usize = 4;

/// Where the load goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) transport: Transport,
}

/// What a load came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) items: u64,
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    /// Of the acknowledgements, ascending.
    latencies: Vec<Duration>,
}

impl Outcome {
    pub(crate) fn rate(&self) -> f64 {
        self.items as f64 / self.seconds
    }

    /// The acknowledgement time that so many in a thousand stay within, in milliseconds.
    pub(crate) fn latency(&self, per_mille: usize) -> f64 {
        percentile(&self.latencies, per_mille).as_secs_f64() * 1e3
    }
}

pub(crate) fn percentile(sorted: &[Duration], per_mille: usize) -> Duration {
    let at = (sorted.len() * per_mille).div_ceil(1000).max(1) - 1;
    sorted.get(at).copied().unwrap_or_default()
}

pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// How long, and how quick.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// Each place sends its next request when the last is acknowledged.
    Closed(Duration),
    /// The same, until so many items were sent.
    Items(u64),
    /// So many items a second, each request timed from when it was due.
    Paced { rate: f64, time: Duration },
}

/// Sends; `next` is the number of the next request, none of which is sent twice.
pub(crate) async fn run(
    target: Target,
    requests: &Arc<Requests>,
    next: &Arc<AtomicU64>,
    pace: Pace,
) -> Result<Outcome> {
    let first = next.load(Ordering::Relaxed);
    let mut places = JoinSet::new();
    let start = Instant::now();
    let (width, last) = match pace {
        Pace::Closed(_) => (CONNECTIONS * IN_FLIGHT, u64::MAX),
        Pace::Items(items) => (
            CONNECTIONS * IN_FLIGHT,
            first + items.div_ceil(requests.items() as u64),
        ),
        // So many that lateness is the server's.
        Pace::Paced { .. } => (4 * CONNECTIONS * IN_FLIGHT, u64::MAX),
    };
    let mut clients = Vec::new();
    while clients.len() < width {
        let client = Client::connect(target.address, target.transport).await?;
        let shared: Vec<Client> = (1..width / CONNECTIONS)
            .map_while(|_| client.share())
            .collect();
        clients.push(client);
        clients.extend(shared);
    }
    for mut client in clients {
        let (requests, next) = (Arc::clone(requests), Arc::clone(next));
        places.spawn(async move {
            let mut outcome = Outcome::default();
            loop {
                if let Pace::Closed(time) = pace
                    && start.elapsed() >= time
                {
                    break;
                }
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= last {
                    break;
                }
                let mut due = Instant::now();
                if let Pace::Paced { rate, time } = pace {
                    let after = Duration::from_secs_f64(
                        (number - first) as f64 * requests.items() as f64 / rate,
                    );
                    if after >= time {
                        break;
                    }
                    due = start + after;
                    tokio::time::sleep_until(due.into()).await;
                    // The timer's own lateness of a millisecond is not the server's.
                    if let Some(late) = due.elapsed().checked_sub(Duration::from_millis(2)) {
                        due = Instant::now() - late;
                    } else {
                        due = Instant::now();
                    }
                }
                let (message, items) = requests.make(number, now());
                client
                    .send(target.address, requests.signal, message)
                    .await
                    .with_context(|| format!("request {number} to {}", target.address))?;
                outcome.items += items as u64;
                outcome.requests += 1;
                outcome.latencies.push(due.elapsed());
            }
            anyhow::Ok(outcome)
        });
    }
    let mut all = Outcome::default();
    while let Some(outcome) = places.join_next().await {
        let outcome = outcome??;
        all.items += outcome.items;
        all.requests += outcome.requests;
        all.latencies.extend(outcome.latencies);
    }
    all.seconds = start.elapsed().as_secs_f64();
    all.latencies.sort_unstable();
    Ok(all)
}
