//! So many records a second of one callsite, so that a loop gone wrong neither hides all
//! other records nor costs what they all cost together. What is left out is told.
//!
//! Each callsite has a token bucket of one second's worth. Where it is empty a record is only
//! counted; the callsite's next record that passes carries the number, and if none comes a
//! record of its own does, a few seconds later or when telemetry is flushed or ends.

use std::borrow::Cow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use hashbrown::{DefaultHashBuilder, HashTable};
use metrics::Counter;
use tokio::runtime::Handle;
use tracing::{Event, Level, Metadata};
use tracing_log::NormalizeEvent;

use super::record::{self, Record, Value};
use super::{SUPPRESSED_COUNT, Sinks};
use crate::metrics::SuppressedEvents;

/// How long a number waits for a record that carries it, before it gets one of its own.
const QUIET: Duration = Duration::from_secs(5);

/// How often that is looked at.
const TICK: Duration = Duration::from_secs(1);

/// Callsites that are known at once. A program's own are few, but records of the `log` crate
/// are told apart by a target that can be made of anything at run time. Beyond, those at rest
/// are forgotten, and what is still too many has no limit.
const MAX_CALLSITES: usize = 4_096;

/// What becomes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes to the sinks, and tells how many were left out before it.
    Pass {
        suppressed: u64,
    },
    Suppress,
}

/// See the module's documentation.
pub(crate) struct BurstLimit {
    rate: Rate,
    started: Instant,
    hasher: DefaultHashBuilder,
    callsites: RwLock<HashTable<Callsite>>,
    /// When those at rest were last forgotten.
    swept: AtomicU64,
    /// Nobody tells any more, so nothing is suppressed any more.
    closed: AtomicBool,
    /// Held while told, so that the end waits for what another thread has just taken.
    telling: Mutex<()>,
    counters: SuppressedEvents,
    sinks: Arc<Sinks>,
}

impl fmt::Debug for BurstLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BurstLimit")
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

impl BurstLimit {
    pub(crate) fn new(
        per_second: NonZeroU32,
        counters: SuppressedEvents,
        sinks: Arc<Sinks>,
    ) -> Self {
        Self {
            rate: Rate::new(per_second),
            started: Instant::now(),
            hasher: DefaultHashBuilder::default(),
            callsites: RwLock::default(),
            swept: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            telling: Mutex::new(()),
            counters,
            sinks,
        }
    }

    /// Decides about one event. A known callsite costs a look-up and the time of day, and
    /// allocates nothing.
    pub(crate) fn take(&self, event: &Event<'_>) -> Verdict {
        let now = self.now();
        if !event.is_log() {
            return self.decide(&Origin::Macro(Identity(event.metadata())), now);
        }
        match event.normalized_metadata() {
            Some(metadata) => self.decide(&Origin::log(&metadata), now),
            None => Verdict::Pass { suppressed: 0 },
        }
    }

    fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed())
    }

    fn decide(&self, origin: &Origin<'_>, now: u64) -> Verdict {
        let hash = self.hasher.hash_one(origin);
        let known = self
            .callsites
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(callsite) = known.find(hash, |callsite| callsite.origin == *origin) {
            return self.ask(callsite, now);
        }
        drop(known);
        let mut known = self
            .callsites
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been first.
        if let Some(callsite) = known.find(hash, |callsite| callsite.origin == *origin) {
            return self.ask(callsite, now);
        }
        if known.len() >= MAX_CALLSITES {
            self.sweep(&mut known, now);
        }
        if known.len() >= MAX_CALLSITES {
            return Verdict::Pass { suppressed: 0 };
        }
        let callsite = Callsite {
            origin: origin.to_static(),
            bucket: Bucket::default(),
            counter: OnceLock::new(),
        };
        let verdict = self.ask(&callsite, now);
        known.insert_unique(hash, callsite, |callsite| {
            self.hasher.hash_one(&callsite.origin)
        });
        verdict
    }

    /// A callsite at rest is like one that was never seen.
    fn sweep(&self, known: &mut HashTable<Callsite>, now: u64) {
        let last = self.swept.load(Ordering::Relaxed);
        if last > 0 && now.saturating_sub(last) < self.rate.window {
            // Nobody's bucket has filled since.
            return;
        }
        self.swept.store(now.max(1), Ordering::Relaxed);
        known.retain(|callsite| !callsite.bucket.rests(now));
    }

    fn ask(&self, callsite: &Callsite, now: u64) -> Verdict {
        let bucket = &callsite.bucket;
        if self.closed.load(Ordering::SeqCst) || bucket.take(now, self.rate) {
            let suppressed = bucket.owed();
            return Verdict::Pass { suppressed };
        }
        self.refuse(callsite, now)
    }

    fn refuse(&self, callsite: &Callsite, now: u64) -> Verdict {
        let Callsite {
            origin,
            bucket,
            counter,
        } = callsite;
        bucket.suppress(now);
        // Whoever closes stores first and collects then; this adds first and looks then. So
        // one of the two sees the other, and no number is left behind.
        if self.closed.load(Ordering::SeqCst)
            && let Some(suppressed) = bucket.owed().checked_sub(1)
        {
            return Verdict::Pass { suppressed };
        }
        counter
            .get_or_init(|| {
                let place = origin.place();
                self.counters
                    .counter(place.level, place.target, place.event)
            })
            .increment(1);
        Verdict::Suppress
    }

    /// Tells on this runtime what no record has carried for a while.
    pub(crate) fn tell_in_time(self: &Arc<Self>, runtime: &Handle) {
        let limit = Arc::clone(self);
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                if !limit.owes(QUIET) {
                    continue;
                }
                // The console may block, and exports must not wait for it.
                let limit = Arc::clone(&limit);
                let _ = tokio::task::spawn_blocking(move || limit.tell_after(QUIET)).await;
            }
        });
    }

    /// Tells all that was suppressed and not yet told.
    pub(crate) fn tell(&self) {
        self.tell_after(Duration::ZERO);
    }

    /// Tells all, and suppresses nothing from now on.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        self.tell();
    }

    fn owes(&self, waited: Duration) -> bool {
        let now = self.now();
        let callsites = self
            .callsites
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        callsites
            .iter()
            .any(|callsite| callsite.bucket.waits(now, waited))
    }

    fn tell_after(&self, waited: Duration) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        for (origin, suppressed) in self.collect(self.now(), waited) {
            let place = origin.place();
            let mut record = Record {
                timestamp: SystemTime::now(),
                level: place.level,
                target: place.target,
                // It is none of the events that it tells of.
                name: None,
                module: place.module,
                file: place.file,
                line: place.line,
                callsite: None,
                span: None,
                trace: None,
                correlation: None,
                known: Default::default(),
                message: "records of this callsite were suppressed by the burst limit".to_owned(),
                fields: vec![(SUPPRESSED_COUNT, Value::Uint(suppressed))],
                exception: None,
            };
            self.sinks.emit(&mut record, || None);
        }
    }

    /// What has waited so long, each callsite with its number.
    fn collect(&self, now: u64, waited: Duration) -> Vec<(Origin<'static>, u64)> {
        let callsites = self
            .callsites
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        callsites
            .iter()
            .filter(|callsite| callsite.bucket.waits(now, waited))
            .filter_map(|callsite| {
                let suppressed = callsite.bucket.owed();
                (suppressed > 0).then(|| (callsite.origin.clone(), suppressed))
            })
            .collect()
    }
}

struct Callsite {
    origin: Origin<'static>,
    bucket: Bucket,
    /// Made when it is first needed.
    counter: OnceLock<Counter>,
}

/// What tells callsites apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Origin<'a> {
    Macro(Identity),
    /// All records of the `log` crate share one callsite a level in `tracing-log`.
    Log {
        level: Level,
        target: Cow<'a, str>,
        module: Option<Cow<'a, str>>,
        file: Option<Cow<'a, str>>,
        line: Option<u32>,
    },
}

/// A callsite's metadata is one constant, so its address is its identity.
#[derive(Clone, Copy, Debug)]
struct Identity(&'static Metadata<'static>);

impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::hash(self.0, state);
    }
}

/// Where a callsite is, for those who read of it.
struct Place<'a> {
    level: Level,
    target: &'a str,
    event: Option<&'static str>,
    module: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
}

impl<'a> Origin<'a> {
    fn log(metadata: &Metadata<'a>) -> Self {
        Self::Log {
            level: *metadata.level(),
            target: Cow::Borrowed(metadata.target()),
            module: metadata.module_path().map(Cow::Borrowed),
            file: metadata.file().map(Cow::Borrowed),
            line: metadata.line(),
        }
    }

    fn to_static(&self) -> Origin<'static> {
        let owned = |text: &Cow<'_, str>| Cow::Owned(text.to_string());
        match self {
            Self::Macro(identity) => Origin::Macro(*identity),
            Self::Log {
                level,
                target,
                module,
                file,
                line,
            } => Origin::Log {
                level: *level,
                target: owned(target),
                module: module.as_ref().map(owned),
                file: file.as_ref().map(owned),
                line: *line,
            },
        }
    }

    fn place(&self) -> Place<'_> {
        match self {
            Self::Macro(Identity(metadata)) => Place {
                level: *metadata.level(),
                target: metadata.target(),
                event: record::event_name(metadata),
                module: metadata.module_path(),
                file: metadata.file(),
                line: metadata.line(),
            },
            Self::Log {
                level,
                target,
                module,
                file,
                line,
            } => Place {
                level: *level,
                target,
                event: None,
                module: module.as_deref(),
                file: file.as_deref(),
                line: *line,
            },
        }
    }
}

/// In nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// After which a bucket has one token more.
    interval: u64,
    /// In which an empty bucket fills.
    window: u64,
}

impl Rate {
    fn new(per_second: NonZeroU32) -> Self {
        let per_second = u64::from(per_second.get());
        let interval = (1_000_000_000 / per_second).max(1);
        Self {
            interval,
            window: interval * per_second,
        }
    }
}

/// A token bucket in one word: the moment at which it will be full again. Times are in
/// nanoseconds since the limit was made.
#[derive(Debug, Default)]
struct Bucket {
    full_at: AtomicU64,
    suppressed: AtomicU64,
    /// When the first of those was.
    since: AtomicU64,
}

impl Bucket {
    fn take(&self, now: u64, rate: Rate) -> bool {
        self.full_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
                let next = full_at.max(now) + rate.interval;
                (next - now <= rate.window).then_some(next)
            })
            .is_ok()
    }

    fn suppress(&self, now: u64) {
        if self.suppressed.fetch_add(1, Ordering::SeqCst) == 0 {
            self.since.store(now, Ordering::Relaxed);
        }
    }

    /// Takes the number that is to be told.
    fn owed(&self) -> u64 {
        // Nearly always zero, and reading leaves the cache line to the others.
        if self.suppressed.load(Ordering::SeqCst) == 0 {
            return 0;
        }
        self.suppressed.swap(0, Ordering::SeqCst)
    }

    fn waits(&self, now: u64, waited: Duration) -> bool {
        self.suppressed.load(Ordering::SeqCst) > 0
            && now.saturating_sub(self.since.load(Ordering::Relaxed)) >= nanoseconds(waited)
    }

    fn rests(&self, now: u64) -> bool {
        self.suppressed.load(Ordering::SeqCst) == 0 && self.full_at.load(Ordering::Relaxed) <= now
    }
}

/// Enough for 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redaction::Redaction;

    const SECOND: u64 = 1_000_000_000;

    fn limit(per_second: u32) -> BurstLimit {
        let sinks = Sinks {
            redactor: Arc::new(Redaction::default().redactor().unwrap()),
            console: None,
            otlp: None,
            sentry: None,
            events: None,
            capture: None,
        };
        BurstLimit::new(
            NonZeroU32::new(per_second).unwrap(),
            SuppressedEvents::unread(),
            Arc::new(sinks),
        )
    }

    fn origin(line: u32) -> Origin<'static> {
        Origin::Log {
            level: Level::INFO,
            target: Cow::Borrowed("shop"),
            module: None,
            file: Some(Cow::Borrowed("src/shop.rs")),
            line: Some(line),
        }
    }

    fn passed(limit: &BurstLimit, line: u32, now: u64, times: usize) -> usize {
        let verdicts = (0..times).map(|_| limit.decide(&origin(line), now));
        verdicts
            .filter(|verdict| *verdict != Verdict::Suppress)
            .count()
    }

    #[test]
    fn a_callsite_has_a_second_s_worth_at_once_and_then_its_rate() {
        for per_second in [1, 7, 1000] {
            let limit = limit(per_second);
            let worth = per_second as usize;
            assert_eq!(passed(&limit, 1, SECOND, 3000), worth);
            assert_eq!(passed(&limit, 1, SECOND * 3 / 2, 3000), worth / 2);
            assert_eq!(passed(&limit, 1, SECOND * 60, 3000), worth);
            assert_eq!(passed(&limit, 2, SECOND * 60, 3000), worth, "of its own");
        }
    }

    #[test]
    fn the_next_record_that_passes_tells_or_else_it_is_told_after_a_while() {
        let limit = limit(2);
        assert_eq!(passed(&limit, 1, 0, 10), 2);
        let next = limit.decide(&origin(1), SECOND);
        assert_eq!(next, Verdict::Pass { suppressed: 8 });
        let next = limit.decide(&origin(1), SECOND);
        assert_eq!(next, Verdict::Pass { suppressed: 0 });
        assert_eq!(passed(&limit, 1, SECOND, 3), 0);
        assert_eq!(passed(&limit, 1, SECOND + 5, 1), 0);
        assert_eq!(limit.collect(SECOND + 5, QUIET), []);
        let quiet = SECOND + nanoseconds(QUIET);
        assert_eq!(limit.collect(quiet, QUIET), [(origin(1), 4)]);
        assert_eq!(limit.collect(quiet, Duration::ZERO), [], "once");
    }

    #[test]
    fn callsites_at_rest_are_forgotten_and_those_that_owe_are_not() {
        let limit = limit(1);
        let most = u32::try_from(MAX_CALLSITES).unwrap();
        assert_eq!(passed(&limit, 0, 0, 2), 1);
        for line in 1..most {
            assert_eq!(passed(&limit, line, 0, 1), 1);
        }
        assert_eq!(passed(&limit, most, 1, 5), 5, "no room, so no limit");
        let known = || limit.callsites.read().unwrap().len();
        assert_eq!(known(), MAX_CALLSITES);
        assert_eq!(passed(&limit, most, SECOND * 2, 5), 1);
        assert_eq!(known(), 2, "the new one, and the one that owes");
        assert_eq!(limit.collect(SECOND * 2, QUIET), []);
        assert_eq!(limit.collect(SECOND * 9, QUIET).len(), 2);
    }

    #[test]
    fn a_record_that_is_refused_as_it_closes_passes_after_all() {
        let limit = limit(1);
        let callsite = Callsite {
            origin: origin(1),
            bucket: Bucket::default(),
            counter: OnceLock::new(),
        };
        for _ in 0..3 {
            assert_eq!(limit.refuse(&callsite, 0), Verdict::Suppress);
        }
        limit.close();
        let late = limit.refuse(&callsite, 0);
        assert_eq!(late, Verdict::Pass { suppressed: 3 });
        assert_eq!(callsite.bucket.owed(), 0);
    }

    #[test]
    fn no_number_is_left_behind_when_it_closes_under_load() {
        let limit = limit(1000);
        const EACH: u64 = 50_000;
        let count = || {
            let mut accounted = 0;
            for _ in 0..EACH {
                if let Verdict::Pass { suppressed } = limit.decide(&origin(1), limit.now()) {
                    accounted += 1 + suppressed;
                }
            }
            accounted
        };
        let mut accounted = 0;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            while !limit.owes(Duration::ZERO) {
                std::hint::spin_loop();
            }
            limit.closed.store(true, Ordering::SeqCst);
            let told = limit.collect(limit.now(), Duration::ZERO);
            accounted += told.iter().map(|(_, suppressed)| suppressed).sum::<u64>();
            for thread in threads {
                accounted += thread.join().unwrap();
            }
        });
        assert_eq!(accounted, 4 * EACH);
        assert_eq!(limit.collect(limit.now(), Duration::ZERO), []);
    }
}
