//! Metrics, from the SDK's periodic reader to the receiver.
//!
//! They need no queue: totals are cumulative, so that an export which fails is superseded
//! by the next.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use prost::Message;
use tokio::runtime::Handle;

use super::answer::Answer;
use super::backoff::Backoff;
use super::destination::Destination;
use super::ending::{Ending, NEVER_REACHED};
use super::ledger::{DropReason, Ledger};
use super::transport::Transport;
use crate::fork;

pub(crate) struct MetricExporter {
    tries: Tries,
    temporality: Temporality,
    runtime: Handle,
}

/// One export, tried until it is answered or its time is over.
#[derive(Clone)]
struct Tries {
    transport: Transport,
    destination: Arc<Destination>,
    ledger: Arc<Ledger>,
    timeout: Duration,
    ending: Ending,
    /// Whether the receiver has ever answered.
    reached: Arc<AtomicBool>,
}

impl MetricExporter {
    pub(crate) fn new(
        transport: Transport,
        temporality: Temporality,
        timeout: Duration,
        destination: Arc<Destination>,
        ledger: Arc<Ledger>,
        ending: Ending,
        runtime: Handle,
    ) -> Self {
        Self {
            tries: Tries {
                transport,
                destination,
                ledger,
                timeout,
                ending,
                reached: Arc::default(),
            },
            temporality,
            runtime,
        }
    }
}

impl fmt::Debug for MetricExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricExporter")
            .field("temporality", &self.temporality)
            .finish_non_exhaustive()
    }
}

impl PushMetricExporter for MetricExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let points = data_points(metrics);
        self.tries.ledger.emitted(points);
        if fork::in_child() {
            self.tries.ledger.dropped(DropReason::Forked, points);
            return Ok(());
        }
        let plain = ExportMetricsServiceRequest::from(metrics).encode_to_vec();
        let tries = self.tries.clone();
        // The SDK's thread, which polls this, knows no runtime.
        let export = self
            .runtime
            .spawn(async move { tries.run(plain, points).await });
        let failed = match export.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(why)) => why,
            Err(error) => {
                self.tries.ledger.dropped(DropReason::Panicked, points);
                error.to_string()
            }
        };
        Err(OTelSdkError::InternalFailure(failed))
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }
}

impl Tries {
    async fn run(self, plain: Vec<u8>, points: u64) -> Result<(), String> {
        let packing = self.transport.packing();
        let lost = |reason, why: String| {
            self.ledger.dropped(reason, points);
            Err(why)
        };
        let body: Bytes = match packing.pack(plain) {
            Ok(body) => body,
            Err(error) => return lost(DropReason::ExportFailed, error.to_string()),
        };
        let started = Instant::now();
        let mut backoff = Backoff::default();
        loop {
            let answer = self.transport.send(body.clone(), packing).await;
            if answer.is_ok() {
                self.reached.store(true, Ordering::Relaxed);
            }
            let (after, why, sent) = match answer {
                Ok(Answer::Accepted { rejected, why }) => {
                    self.accepted(points, rejected.min(points), &why);
                    return Ok(());
                }
                Ok(Answer::Split { why } | Answer::Refused { why }) => {
                    self.destination.failed(&why);
                    return lost(DropReason::Rejected, why);
                }
                Ok(Answer::Retry { after, why }) => (after, why, false),
                Ok(Answer::RetryOnce { why }) => (None, why, false),
                Err(failure) => (None, failure.why, failure.sent),
            };
            self.destination.failed(&why);
            let ending = self.ending.lasts();
            let pause = backoff.pause(after, ending.is_some());
            let late = started.elapsed().saturating_add(pause) >= self.timeout;
            let nobody = ending.is_some_and(|lasts| lasts >= NEVER_REACHED)
                && !self.reached.load(Ordering::Relaxed);
            if late || nobody {
                let reason = if sent {
                    DropReason::Unconfirmed
                } else {
                    DropReason::ExportFailed
                };
                return lost(reason, why);
            }
            match ending {
                Some(_) => tokio::time::sleep(pause).await,
                None => self.ending.begun_within(pause).await,
            }
        }
    }

    fn accepted(&self, points: u64, rejected: u64, why: &str) {
        self.destination.reached();
        if rejected > 0 {
            self.destination.rejected(rejected as usize, why);
        } else if !why.is_empty() {
            self.destination.warned(why);
        }
        self.ledger.delivered(points - rejected);
        self.ledger.dropped(DropReason::Rejected, rejected);
    }
}

fn data_points(metrics: &ResourceMetrics) -> u64 {
    fn count<T>(data: &MetricData<T>) -> usize {
        match data {
            MetricData::Gauge(gauge) => gauge.data_points().count(),
            MetricData::Sum(sum) => sum.data_points().count(),
            MetricData::Histogram(histogram) => histogram.data_points().count(),
            MetricData::ExponentialHistogram(histogram) => histogram.data_points().count(),
        }
    }
    metrics
        .scope_metrics()
        .flat_map(ScopeMetrics::metrics)
        .map(|metric| match metric.data() {
            AggregatedMetrics::F64(data) => count(data),
            AggregatedMetrics::U64(data) => count(data),
            AggregatedMetrics::I64(data) => count(data),
        })
        .sum::<usize>() as u64
}
