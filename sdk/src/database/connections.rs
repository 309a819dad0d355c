//! The metrics of a pool: read at each collection, or where somebody waits for a connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Meter;
use sqlx::{Database, Error};

use super::measured::{POOL_NAME, Series, USE_TIME, WAIT_TIME, count_timeout};

/// What one pool's connections are measured with.
#[derive(Debug)]
pub(super) struct Connections {
    name: String,
    waiting: AtomicUsize,
    wait: Series,
    used: Series,
}

/// The state of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct State {
    idle: i64,
    used: i64,
    max: i64,
    idle_min: i64,
    pending: i64,
}

/// A pool, whatever its database.
struct Watched {
    connections: Weak<Connections>,
    read: Box<dyn Fn(&Connections) -> State + Send + Sync>,
}

/// Every pool that is there, also those that were made before telemetry ran.
static POOLS: Mutex<Vec<Watched>> = Mutex::new(Vec::new());

impl Connections {
    pub(super) fn of<DB: Database>(pool: &sqlx::Pool<DB>, name: String) -> Arc<Self> {
        let connections = Arc::new(Self {
            waiting: AtomicUsize::new(0),
            wait: Series::of_pool(WAIT_TIME, &name),
            used: Series::of_pool(USE_TIME, &name),
            name,
        });
        watch(&connections, pool.clone());
        connections
    }

    /// Somebody asks for a connection.
    pub(super) fn wait(self: &Arc<Self>) -> Waiting {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting {
            connections: Arc::clone(self),
            since: Instant::now(),
        }
    }

    pub(super) fn begin_use(self: &Arc<Self>, since: Instant) -> Use {
        Use {
            connections: Arc::clone(self),
            since,
        }
    }
}

/// Counted until it is dropped.
pub(super) struct Waiting {
    connections: Arc<Connections>,
    since: Instant,
}

impl Waiting {
    pub(super) fn end(self, outcome: Result<(), &Error>) {
        match outcome {
            Ok(()) => self.connections.wait.record(self.since.elapsed()),
            Err(Error::PoolTimedOut) => count_timeout(&self.connections.name),
            Err(_) => {}
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.connections.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Measured until it is dropped.
#[derive(Debug)]
pub(super) struct Use {
    connections: Arc<Connections>,
    since: Instant,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.connections.used.record(self.since.elapsed());
    }
}

/// The list is what keeps a pool that nobody else has any more.
impl Drop for Connections {
    fn drop(&mut self) {
        // Closed after the lock was given back: that runs SQLx's code.
        let _gone = forget(&mut POOLS.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Takes out the pools that are only here.
fn forget(pools: &mut Vec<Watched>) -> Vec<Watched> {
    let is_gone = |watched: &mut Watched| watched.connections.strong_count() == 0;
    pools.extract_if(.., is_gone).collect()
}

fn watch<DB: Database>(connections: &Arc<Connections>, pool: sqlx::Pool<DB>) {
    let read = move |connections: &Connections| {
        let (size, idle) = (i64::from(pool.size()), number(pool.num_idle()));
        State {
            idle,
            used: size.saturating_sub(idle).max(0),
            max: i64::from(pool.options().get_max_connections()),
            idle_min: i64::from(pool.options().get_min_connections()),
            pending: number(connections.waiting.load(Ordering::Relaxed)),
        }
    };
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    pools.push(Watched {
        connections: Arc::downgrade(connections),
        read: Box::new(read),
    });
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The states of all pools, those of one name added up: two points with the same attributes
/// would be one too many.
fn states() -> Vec<(String, State)> {
    // The last owner of one may go away meanwhile; then it is dropped here, and that takes the
    // lock, so it must be after the lock was given back.
    let mut held = Vec::new();
    let mut states: Vec<(String, State)> = Vec::new();
    let pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    for watched in &*pools {
        let Some(connections) = watched.connections.upgrade() else {
            continue;
        };
        let state = (watched.read)(&connections);
        match states
            .iter_mut()
            .find(|(name, _)| *name == connections.name)
        {
            Some((_, sum)) => sum.add(state),
            None => states.push((connections.name.clone(), state)),
        }
        held.push(connections);
    }
    drop(pools);
    states
}

impl State {
    fn add(&mut self, other: Self) {
        self.idle += other.idle;
        self.used += other.used;
        self.max += other.max;
        self.idle_min += other.idle_min;
        self.pending += other.pending;
    }
}

/// Reads all pools at each collection.
pub(crate) fn observe(meter: &Meter) {
    const STATE: &str = "db.client.connection.state";
    let of = |name: &str| KeyValue::new(POOL_NAME, name.to_owned());
    meter
        .i64_observable_up_down_counter("db.client.connection.count")
        .with_unit("{connection}")
        .with_description(
            "The number of connections that are currently in state described by the state attribute",
        )
        .with_callback(move |observer| {
            for (name, state) in states() {
                observer.observe(state.idle, &[of(&name), KeyValue::new(STATE, "idle")]);
                observer.observe(state.used, &[of(&name), KeyValue::new(STATE, "used")]);
            }
        })
        .build();
    let level = |name: &'static str, unit, description, read: fn(&State) -> i64| {
        meter
            .i64_observable_up_down_counter(name)
            .with_unit(unit)
            .with_description(description)
            .with_callback(move |observer| {
                for (name, state) in states() {
                    observer.observe(read(&state), &[of(&name)]);
                }
            })
            .build();
    };
    level(
        "db.client.connection.max",
        "{connection}",
        "The maximum number of open connections allowed",
        |state| state.max,
    );
    level(
        "db.client.connection.idle.min",
        "{connection}",
        "The minimum number of idle open connections allowed",
        |state| state.idle_min,
    );
    level(
        "db.client.connection.pending_requests",
        "{request}",
        "The number of current pending requests for an open connection",
        |state| state.pending,
    );
}
