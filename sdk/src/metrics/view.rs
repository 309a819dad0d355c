//! How the SDK aggregates: its view of every instrument.

use std::sync::Arc;

use opentelemetry_sdk::metrics::{Aggregation, Instrument, InstrumentKind, Stream};

use super::SCOPE;
use super::bounds::Bounds;

/// The specification's defaults:
/// <https://opentelemetry.io/docs/specs/otel/metrics/sdk/#base2-exponential-bucket-histogram-aggregation>.
const EXPONENTIAL: Aggregation = Aggregation::Base2ExponentialHistogram {
    max_size: 160,
    max_scale: 20,
    record_min_max: true,
};

/// The SDK's own default.
const SDK_LIMIT: usize = 2000;

/// The one view: two that match an instrument would make two streams of it.
pub(super) fn view(
    bounds: Arc<Bounds>,
    exponential: bool,
    series_limit: usize,
) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
    move |instrument| {
        let ours = instrument.scope().name() == SCOPE;
        let aggregation = histogram(instrument, &bounds, exponential, ours);
        if !ours && aggregation.is_none() {
            return None;
        }
        let mut stream = Stream::builder();
        if ours {
            // The registry folds what is beyond the limit; the SDK must not do it earlier, nor
            // with what is observed of the process and of the export beside the registry.
            stream = stream.with_cardinality_limit(series_limit.max(SDK_LIMIT));
        }
        if let Some(aggregation) = aggregation {
            stream = stream.with_aggregation(aggregation);
        }
        stream.build().ok()
    }
}

/// `None` leaves the bounds that the instrument was built with.
fn histogram(
    instrument: &Instrument,
    bounds: &Bounds,
    exponential: bool,
    ours: bool,
) -> Option<Aggregation> {
    if instrument.kind() != InstrumentKind::Histogram {
        return None;
    }
    if let Some(given) = bounds.given(instrument.name()) {
        return Some(explicit(given));
    }
    if exponential {
        return Some(EXPONENTIAL);
    }
    (!ours && instrument.name().ends_with(".duration"))
        .then(|| explicit(bounds.of(instrument.name(), instrument.unit())))
}

fn explicit(boundaries: &[f64]) -> Aggregation {
    Aggregation::ExplicitBucketHistogram {
        boundaries: boundaries.to_vec(),
        record_min_max: true,
    }
}
