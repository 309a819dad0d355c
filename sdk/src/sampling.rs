//! Which traces are recorded, decided as early as can be.
//!
//! The span layer builds a span's attributes, name and context before the sampler is asked,
//! so a span that nobody keeps costs two thirds of one that is kept. Most can be known
//! beforehand: a child follows its parent, and a local root is decided by the sampler with
//! nothing but a trace id. Spans that declare `otel.kind` are the exception. They extract a
//! parent from a request, or inject themselves into one, so they go the whole way and the
//! SDK decides once their parent is set.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use opentelemetry::trace::{
    Link, SpanContext, SpanKind, TraceContextExt, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, SamplingResult, ShouldSample,
};

use crate::settings::SamplerSettings;
use crate::trusted_parent::TrustedParent;

/// Keeps at most so many new traces a second, whatever the load; children follow their
/// parent, also a remote one that is trusted (`THROUGHLINE_TRUST_INBOUND`).
///
/// A ratio keeps too little of a quiet service and too much of a busy one. Bursts of up to
/// one second's worth pass.
///
/// ```
/// # fn main() -> Result<(), throughline::InitError> {
/// let telemetry = throughline::builder("checkout")
///     .log_format(throughline::LogFormat::Off)
///     .sampler(throughline::sampling::RateLimited::per_second(50.0))
///     .init()?;
/// # telemetry.shutdown();
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RateLimited {
    per_second: f64,
    bucket: Arc<Mutex<Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl RateLimited {
    /// `traces` new traces a second; a value below zero, or none at all, keeps none.
    pub fn per_second(traces: f64) -> Self {
        let per_second = if traces.is_finite() {
            traces.max(0.0)
        } else {
            0.0
        };
        Self {
            per_second,
            bucket: Arc::new(Mutex::new(Bucket {
                tokens: room(per_second),
                filled: Instant::now(),
            })),
        }
    }

    fn take(&self, now: Instant) -> bool {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(bucket.filled).as_secs_f64();
        bucket.tokens = (bucket.tokens + passed * self.per_second).min(room(self.per_second));
        bucket.filled = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }
}

/// One second's worth, and room for one where less than one a second may pass.
fn room(per_second: f64) -> f64 {
    if per_second > 0.0 {
        per_second.max(1.0)
    } else {
        0.0
    }
}

impl ShouldSample for RateLimited {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        _trace_id: TraceId,
        _name: &str,
        _span_kind: &SpanKind,
        _attributes: &[KeyValue],
        _links: &[Link],
    ) -> SamplingResult {
        let parent = parent_context
            .map(|context| context.span().span_context().clone())
            .filter(SpanContext::is_valid);
        let (keep, trace_state) = match parent {
            Some(parent) => (parent.is_sampled(), parent.trace_state().clone()),
            None => (self.take(Instant::now()), TraceState::default()),
        };
        SamplingResult {
            decision: if keep {
                SamplingDecision::RecordAndSample
            } else {
                SamplingDecision::Drop
            },
            attributes: Vec::new(),
            trace_state,
        }
    }
}

/// Whether [`HeadSampler::decide`] is asked, and so no child of an unsampled span is kept.
static EARLY: AtomicBool = AtomicBool::new(false);

pub(crate) fn decide_early(early: bool) {
    EARLY.store(early, Ordering::Relaxed);
}

/// For who can spare the making of a span that nobody would keep.
#[cfg(feature = "http")]
pub(crate) fn decides_early() -> bool {
    EARLY.load(Ordering::Relaxed)
}

/// What the span layer does with a new span.
pub(crate) enum Early {
    /// The inner layer builds it, in this context where one is given.
    Forward(Option<Context>),
    /// Nobody will keep it: its ids, for its records and for what it calls, are these.
    Skip(Context),
}

/// Decides at the span's creation what can be decided then.
#[derive(Debug)]
pub(crate) struct HeadSampler {
    sampler: Box<dyn ShouldSample>,
    ids: RandomIdGenerator,
    roots: Roots,
}

/// Whether there is a need to ask about a local root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Roots {
    AllKept,
    NoneKept,
    Asked,
}

impl Roots {
    fn of(sampler: &Sampler) -> Self {
        match sampler {
            Sampler::AlwaysOn => Self::AllKept,
            Sampler::AlwaysOff => Self::NoneKept,
            // As the sampler itself reads them.
            Sampler::TraceIdRatioBased(ratio) if *ratio >= 1.0 => Self::AllKept,
            Sampler::TraceIdRatioBased(ratio) if *ratio <= 0.0 => Self::NoneKept,
            _ => Self::Asked,
        }
    }
}

/// In the context of a local root that has been decided to be kept.
struct Kept;

impl HeadSampler {
    pub(crate) fn new(settings: &SamplerSettings) -> Self {
        let root = Box::new(settings.root.clone());
        let sampler: Box<dyn ShouldSample> = if settings.parent_based {
            Box::new(TrustedParent::new(root, settings.trust))
        } else {
            root
        };
        Self {
            sampler,
            ids: RandomIdGenerator::default(),
            roots: Roots::of(&settings.root),
        }
    }

    /// The sampler to give to the SDK: it keeps the roots that [`decide`](Self::decide)
    /// kept, so that nothing is decided twice.
    pub(crate) fn for_sdk(&self) -> impl ShouldSample + 'static {
        Decided(self.sampler.clone())
    }

    /// `parent` is the context that the span would be created in.
    pub(crate) fn decide(&self, parent: &Context, name: &str) -> Early {
        let span = parent.span();
        let ids = span.span_context();
        if ids.is_valid() {
            return if ids.is_sampled() || ids.is_remote() {
                Early::Forward(None)
            } else {
                Early::Skip(parent.clone())
            };
        }
        if self.roots == Roots::AllKept {
            return Early::Forward(None);
        }
        let trace_id = self.ids.new_trace_id();
        if self.roots == Roots::Asked {
            let kind = SpanKind::Internal;
            let decision = self
                .sampler
                .should_sample(Some(parent), trace_id, name, &kind, &[], &[])
                .decision;
            if decision == SamplingDecision::RecordAndSample {
                return Early::Forward(Some(parent.with_value(Kept)));
            }
        }
        let ids = SpanContext::new(
            trace_id,
            self.ids.new_span_id(),
            TraceFlags::default(),
            false,
            TraceState::default(),
        );
        // The only way to put ids without a span into a context.
        Early::Skip(parent.with_remote_span_context(ids))
    }
}

#[derive(Clone, Debug)]
struct Decided(Box<dyn ShouldSample>);

impl ShouldSample for Decided {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let kept = parent_context.is_some_and(|context| {
            context.get::<Kept>().is_some() && !context.span().span_context().is_valid()
        });
        if kept {
            return SamplingResult {
                decision: SamplingDecision::RecordAndSample,
                attributes: Vec::new(),
                trace_state: TraceState::default(),
            };
        }
        self.0
            .should_sample(parent_context, trace_id, name, span_kind, attributes, links)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_a_sampler_that_decides_by_the_trace_is_asked() {
        let of_ratio = |ratio| Roots::of(&Sampler::TraceIdRatioBased(ratio));
        assert_eq!(Roots::of(&Sampler::AlwaysOn), Roots::AllKept);
        assert_eq!(Roots::of(&Sampler::AlwaysOff), Roots::NoneKept);
        assert_eq!([1.0, 2.0].map(of_ratio), [Roots::AllKept; 2]);
        assert_eq!([0.0, -1.0].map(of_ratio), [Roots::NoneKept; 2]);
        assert_eq!([0.001, 0.999].map(of_ratio), [Roots::Asked; 2]);
    }

    #[test]
    fn a_rate_limit_lets_through_its_rate_and_bursts_of_a_second() {
        let sampler = RateLimited::per_second(10.0);
        let start = Instant::now();
        let taken =
            |at: Duration, times: usize| (0..times).filter(|_| sampler.take(start + at)).count();
        assert_eq!(taken(Duration::ZERO, 100), 10);
        assert_eq!(taken(Duration::from_millis(500), 100), 5);
        assert_eq!(
            taken(Duration::from_secs(60), 100),
            10,
            "no more than a second's worth"
        );
    }

    #[test]
    fn less_than_one_a_second_still_lets_one_through_and_zero_none() {
        let slow = RateLimited::per_second(0.1);
        let start = Instant::now();
        assert!(slow.take(start));
        assert!(!slow.take(start + Duration::from_secs(5)));
        assert!(slow.take(start + Duration::from_secs(16)));
        for none in [0.0, -1.0, f64::NAN] {
            let none = RateLimited::per_second(none);
            assert!(!none.take(start + Duration::from_secs(100)));
        }
    }
}
