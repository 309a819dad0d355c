//! Everything that can be made to go wrong, in one place, so that a dashboard or an alert can
//! be seen at work.
//!
//! `SHOP_FAULTS=slow_queries,gateway_outage=0.2` has them from the start. While a service runs,
//! `curl -X PUT -d 0.2 http://127.0.0.1:…/faults/gateway_outage` switches one on, `-d off`
//! switches it off, and `GET /faults` shows all of them; `shop fault gateway_outage=0.2` beside
//! the service, such as in its container, does the same. Each service has switches of its own,
//! and those that it has no use for do nothing there.
//!
//! A rate is the share of the occasions on which a fault strikes, evenly and not at random: a
//! quarter is every fourth. So what a test sees does not depend on luck.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Map, Value, json};

macro_rules! faults {
    ($($(#[doc = $means:literal])+ $fault:ident = $name:literal in $service:literal;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($(#[doc = $means])+ $fault,)*
        }

        impl Fault {
            pub(crate) const ALL: &[Self] = &[$(Self::$fault,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// The service in which it can strike.
            fn service(self) -> &'static str {
                match self { $(Self::$fault => $service,)* }
            }

            fn means(self) -> &'static str {
                match self { $(Self::$fault => concat!($($means),+).trim_ascii(),)* }
            }
        }
    };
}

faults! {
    /// A search asks the database for far too much: `query.slow`, `request.slow`.
    SlowQueries = "slow_queries" in "storefront";
    /// The list of orders is read row by row: `query.storm`.
    QueryStorm = "query_storm" in "storefront";
    /// A page waits for a second and a half: latency, `request.slow`.
    SlowRequests = "slow_requests" in "storefront";
    /// A page fails with a typed error: ratio of errors, Sentry.
    ErrorBurst = "error_burst" in "storefront";
    /// A page panics: Sentry, status 500.
    Panics = "panics" in "storefront";
    /// A page keeps a mebibyte, 512 of them at most: `process.memory.usage`.
    MemoryLeak = "memory_leak" in "storefront";
    /// A page writes a hundred records: volume of logs, `THROUGHLINE_BURST_LIMIT`.
    LogFlood = "log_flood" in "storefront";
    /// The gateway declines a card that is good: `checkout.failed`.
    PaymentRefusals = "payment_refusals" in "payments";
    /// The gateway does not answer in time: errors of payments, latency.
    GatewayTimeouts = "gateway_timeouts" in "payments";
    /// The gateway cannot be reached: ratio of errors of payments, failed checkouts.
    GatewayOutage = "gateway_outage" in "payments";
    /// The mail relay refuses: `job.failed`, further attempts.
    JobFailures = "job_failures" in "worker";
    /// A job takes a second and a half: `operation.slow`, a queue that grows.
    SlowJobs = "slow_jobs" in "worker";
    /// The check of the database fails: `/readyz` says 503, `health.check.failed`.
    Unhealthy = "unhealthy" in "each";
}

/// What is switched on, as it is told: `panics,log_flood=0.1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan(Vec<(Fault, f64)>);

#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum UnknownFault {
    #[error("there is no fault `{name}`; there are {}", names())]
    Name { name: String },
    #[error("`{0}` is no rate; expected a number from 0 to 1, `on` or `off`")]
    Rate(String),
}

fn names() -> String {
    let names: Vec<_> = Fault::ALL.iter().map(|fault| fault.name()).collect();
    names.join(", ")
}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        let found = Self::ALL.iter().find(|fault| fault.name() == name);
        found
            .copied()
            .ok_or_else(|| UnknownFault::Name { name: name.into() })
    }
}

fn rate(text: &str) -> Result<f64, UnknownFault> {
    match text {
        "on" => return Ok(1.0),
        "off" => return Ok(0.0),
        _ => {}
    }
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| UnknownFault::Rate(text.into()))
}

impl FromStr for Plan {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        let entries = text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let entries = entries.map(|entry| {
            let (name, share) = entry.split_once('=').unwrap_or((entry, "on"));
            Ok((name.trim().parse()?, rate(share.trim())?))
        });
        Ok(Self(entries.collect::<Result<_, _>>()?))
    }
}

impl Plan {
    pub(crate) fn entries(&self) -> impl ExactSizeIterator<Item = (Fault, f64)> {
        self.0.iter().copied()
    }
}

#[derive(Debug, Default)]
struct Switch {
    rate: f64,
    /// What the occasions so far add up to; the fault strikes when it is one.
    owed: f64,
}

/// The switches of one service.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    switches: Arc<Mutex<Vec<Switch>>>,
    leaked: Arc<Mutex<Vec<Vec<u8>>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("the catalogue is out of order")]
pub(crate) struct CatalogueError;

const DELAY: Duration = Duration::from_millis(1_500);
const LEAKED_MIB: usize = 512;

impl Faults {
    pub(crate) fn new(plan: &Plan) -> Self {
        let switches = Fault::ALL.iter().map(|_| Switch::default()).collect();
        let faults = Self {
            switches: Arc::new(Mutex::new(switches)),
            leaked: Arc::default(),
        };
        for (fault, rate) in plan.entries() {
            faults.set(fault, rate);
        }
        faults
    }

    fn set(&self, fault: Fault, rate: f64) {
        self.with(fault, |switch| *switch = Switch { rate, owed: 0.0 });
    }

    fn with<T>(&self, fault: Fault, act: impl FnOnce(&mut Switch) -> T) -> T {
        let mut switches = self.switches.lock().unwrap_or_else(PoisonError::into_inner);
        act(&mut switches[fault as usize])
    }

    /// Whether it strikes on this occasion.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        self.with(fault, |switch| {
            switch.owed += switch.rate;
            // Ten tenths are a little less than one.
            let strikes = switch.owed > 1.0 - 1e-9;
            if strikes {
                switch.owed -= 1.0;
            }
            strikes
        })
    }

    /// Waits, if it strikes.
    pub(crate) async fn delay(&self, fault: Fault) {
        if self.strikes(fault) {
            tokio::time::sleep(DELAY).await;
        }
    }

    /// The faults that any page of the storefront can have.
    pub(crate) async fn on_page(&self) -> Result<(), CatalogueError> {
        self.delay(Fault::SlowRequests).await;
        if self.strikes(Fault::MemoryLeak) {
            let mut leaked = self.leaked.lock().unwrap_or_else(PoisonError::into_inner);
            if leaked.len() < LEAKED_MIB {
                // Not zeros: the system would not give them memory before they are written.
                leaked.push(vec![1; 1 << 20]);
            }
        }
        if self.strikes(Fault::LogFlood) {
            for number in 0..100 {
                tracing::info!(cache.entry = number, "cache entry was evicted");
            }
        }
        if self.strikes(Fault::Panics) {
            panic!("the fault `panics` is on");
        }
        if self.strikes(Fault::ErrorBurst) {
            return Err(CatalogueError);
        }
        Ok(())
    }

    /// `/faults`, for who sits at this machine alone.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/faults", get(show))
            .route("/faults/{name}", put(switch))
            .route_layer(from_fn(only_from_here))
            .with_state(self.clone())
    }
}

async fn show(State(faults): State<Faults>) -> Json<Value> {
    let mut all = Map::new();
    for &fault in Fault::ALL {
        let rate = faults.with(fault, |switch| switch.rate);
        let told = json!({ "rate": rate, "service": fault.service(), "means": fault.means() });
        all.insert(fault.name().to_owned(), told);
    }
    Json(all.into())
}

async fn switch(
    State(faults): State<Faults>,
    Path(name): Path<String>,
    share: String,
) -> Result<String, (StatusCode, String)> {
    let fault: Fault = name
        .parse()
        .map_err(|error: UnknownFault| (StatusCode::NOT_FOUND, error.to_string()))?;
    let rate = rate(share.trim()).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    faults.set(fault, rate);
    Ok(format!("{name}={rate}\n"))
}

/// Neither another machine, nor one whose requests a proxy on this machine passes on, nor a
/// page in a browser on this machine.
async fn only_from_here(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let forwarded = ["forwarded", "x-forwarded-for"];
    if !peer.ip().to_canonical().is_loopback()
        || forwarded.iter().any(|name| headers.contains_key(*name))
        || headers.contains_key(header::ORIGIN)
        || !is_local(headers)
    {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}

/// Whether the host that was asked for is this machine by name: a page whose own name resolves
/// to this machine has another one.
fn is_local(headers: &HeaderMap) -> bool {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host else { return false };
    match host.parse::<SocketAddr>() {
        Ok(address) => address.ip().is_loopback(),
        Err(_) => host.split(':').next() == Some("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_an_even_share_of_the_occasions() {
        let faults = Faults::new(&"panics=0.25,error_burst=0.1,log_flood".parse().unwrap());
        let strikes = |fault| (0..20).map(|_| faults.strikes(fault)).collect::<Vec<_>>();
        let panics = strikes(Fault::Panics);
        assert_eq!(panics.iter().filter(|strikes| **strikes).count(), 5);
        assert!(panics[3] && panics[7] && !panics[4]);
        let errors = strikes(Fault::ErrorBurst);
        assert_eq!(errors.iter().filter(|strikes| **strikes).count(), 2);
        assert!(strikes(Fault::LogFlood).iter().all(|strikes| *strikes));
        assert!(!strikes(Fault::SlowQueries).contains(&true));
    }

    #[test]
    fn what_is_no_fault_and_no_rate_is_said() {
        let plan = |text: &str| text.parse::<Plan>();
        assert_eq!(plan(" "), Ok(Plan::default()));
        assert_eq!(plan("panics, slow_jobs=off").unwrap().0.len(), 2);
        let error = plan("panic").unwrap_err().to_string();
        assert!(error.contains("no fault `panic`"), "{error}");
        assert!(error.contains("slow_queries, query_storm"), "{error}");
        assert_eq!(plan("panics=2"), Err(UnknownFault::Rate("2".into())));
    }

    #[test]
    fn a_fault_is_asked_for_by_this_machines_name_alone() {
        let asked = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_local(&headers)
        };
        assert!(asked("127.0.0.1:8080") && asked("localhost:8080") && asked("[::1]:80"));
        assert!(!asked("shop.example:8080") && !asked("localhost.example:8080"));
        assert!(!is_local(&HeaderMap::new()));
    }
}
