//! A receiver whose faults are made to order, since what an exporter is worth shows only
//! when its receiver misbehaves. It speaks OTLP by both transports on one port.

mod answer;
mod request;
mod server;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub use answer::Answer;
pub use request::Arrival;
use throughline_receiver::proto::collector::metrics::v1::ExportMetricsServiceRequest;
use throughline_receiver::{Signal, Transport};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How often each item was acknowledged, by its attribute `item`.
pub type Items = BTreeMap<i64, u32>;

/// What came, and what of it was acknowledged.
#[derive(Default)]
pub struct Record {
    /// Every request whose body was read, in the order of arrival.
    pub arrivals: Vec<Arrival>,
    pub metrics: Vec<ExportMetricsServiceRequest>,
    spans: Items,
    logs: Items,
}

impl Record {
    /// The requests of one signal.
    pub fn of(&self, signal: Signal) -> Vec<&Arrival> {
        let arrivals = self.arrivals.iter();
        arrivals.filter(|one| one.signal == signal).collect()
    }

    /// The items of one signal that were acknowledged.
    pub fn kept(&self, signal: Signal) -> &Items {
        match signal {
            Signal::Traces => &self.spans,
            Signal::Logs => &self.logs,
            Signal::Metrics => panic!("metrics have no items"),
        }
    }

    fn keep(&mut self, signal: Signal, items: &[i64]) {
        let kept = match signal {
            Signal::Traces => &mut self.spans,
            Signal::Logs => &mut self.logs,
            Signal::Metrics => return,
        };
        for item in items {
            *kept.entry(*item).or_default() += 1;
        }
    }
}

/// What a connection meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    Open,
    /// Nobody listens at the port.
    Closed,
    /// The connection is made, and nothing is ever read from it.
    Silent,
}

type Rule = dyn Fn(&Arrival) -> Answer + Send + Sync;

/// What the server's tasks share with the test.
struct Shared {
    rule: Mutex<Arc<Rule>>,
    /// Counts the rules, so that what hangs is asked again when there is a new one.
    rules: watch::Sender<u64>,
    door: watch::Sender<Door>,
    /// What has become of the door.
    standing: watch::Sender<Option<Door>>,
    record: Mutex<Record>,
    changed: Condvar,
}

pub struct Faulty {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

impl Faulty {
    /// Accepts everything until it is told otherwise.
    pub fn start() -> Self {
        Self::behind(Door::Open)
    }

    /// Knows its address, and nobody listens there until it is [opened](Self::open).
    pub fn closed() -> Self {
        Self::behind(Door::Closed)
    }

    fn behind(door: Door) -> Self {
        let shared = Arc::new(Shared {
            rule: Mutex::new(Arc::new(|_| Answer::Accept)),
            rules: watch::Sender::new(0),
            door: watch::Sender::new(door),
            standing: watch::Sender::new(None),
            record: Mutex::default(),
            changed: Condvar::new(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let address = address();
        runtime.spawn(server::serve(address, Arc::clone(&shared)));
        let faulty = Self {
            address,
            shared,
            runtime: Some(runtime),
        };
        faulty.stands(door);
        faulty
    }

    /// From now on each request is answered as the rule says, and so are those that hang.
    pub fn answer(&self, rule: impl Fn(&Arrival) -> Answer + Send + Sync + 'static) {
        *self.shared.rule.lock().unwrap() = Arc::new(rule);
        self.shared.rules.send_modify(|rules| *rules += 1);
    }

    /// Answers traces and logs by the rule, and takes metrics, which also tell of the SDK.
    pub fn answer_items(&self, rule: impl Fn(&Arrival) -> Answer + Send + Sync + 'static) {
        self.answer(move |arrival| match arrival.signal {
            Signal::Metrics => Answer::Accept,
            Signal::Traces | Signal::Logs => rule(arrival),
        });
    }

    /// Listens again at the same port.
    pub fn open(&self) {
        self.turn(Door::Open);
    }

    /// Ends each connection and refuses new ones.
    pub fn close(&self) {
        self.turn(Door::Closed);
    }

    /// Ends each connection; new ones are accepted, but nothing is read from them.
    pub fn fall_silent(&self) {
        self.turn(Door::Silent);
    }

    fn turn(&self, door: Door) {
        self.shared.door.send_replace(door);
        self.stands(door);
    }

    fn stands(&self, door: Door) {
        let mut standing = self.shared.standing.subscribe();
        let runtime = self.runtime.as_ref().unwrap();
        runtime.block_on(async {
            let wait = standing.wait_for(|now| *now == Some(door));
            tokio::time::timeout(Duration::from_secs(5), wait)
                .await
                .expect("the port stays as it was")
                .unwrap();
        });
    }

    /// Looks at what has come so far.
    pub fn with<R>(&self, look: impl FnOnce(&Record) -> R) -> R {
        look(&self.shared.record.lock().unwrap())
    }

    /// The items of one signal that were acknowledged.
    pub fn kept(&self, signal: Signal) -> Items {
        self.with(|record| record.kept(signal).clone())
    }

    /// Waits until what has come satisfies the condition.
    pub fn wait_until(&self, what: &str, mut condition: impl FnMut(&Record) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut record = self.shared.record.lock().unwrap();
        while !condition(&record) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not within 20 s: {what}");
            record = self.shared.changed.wait_timeout(record, left).unwrap().0;
        }
    }

    /// The variables that send here, with these besides.
    pub fn variables(&self, protocol: &str, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let endpoint = format!("http://{}", self.address);
        let mut variables = vec![
            ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), endpoint),
            (
                "OTEL_EXPORTER_OTLP_PROTOCOL".to_owned(),
                protocol.to_owned(),
            ),
        ];
        let more = more.iter();
        variables.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        variables
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The transport that a protocol's variable names.
pub fn transport(protocol: &str) -> Transport {
    match protocol {
        "grpc" => Transport::Grpc,
        _ => Transport::HttpProtobuf,
    }
}

/// An address of this receiver's own, below the ports that the system gives to outgoing
/// connections: one of those could take the port while it is closed, or connect to itself.
fn address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 17_000;
    const PORTS: u16 = 15_000;
    let start = std::process::id().wrapping_mul(61) as u16;
    (0..PORTS)
        .map(|_| {
            let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + next % PORTS))
        })
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("no port is free")
}
