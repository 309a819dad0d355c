//! The pipelines and the exporter of the three signals, set up from their settings.

use std::sync::Arc;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use super::destination::Destination;
use super::encode::Envelope;
use super::ending::Ending;
use super::ledger::Ledgers;
use super::metrics::MetricExporter;
use super::pipeline::Pipeline;
use super::runtime::ExportRuntime;
use super::transport::{Signal, Transport};
use crate::InitError;
use crate::settings::{BatchSettings, OtlpSettings};

/// What all signals leave by.
pub(crate) struct Outlet<'a> {
    pub(crate) runtime: &'a ExportRuntime,
    pub(crate) ledgers: &'a Ledgers,
    pub(crate) ending: &'a Ending,
    /// Without secrets already.
    pub(crate) resource: &'a Resource,
}

impl Outlet<'_> {
    /// The way out of spans or of log records.
    pub(crate) fn pipeline(
        &self,
        signal: Signal,
        settings: &OtlpSettings,
        batch: &BatchSettings,
    ) -> Result<Arc<Pipeline>, InitError> {
        let destination = destination(settings);
        let transport = Transport::new(signal, settings, &destination)?;
        Ok(Pipeline::start(
            Envelope::new(self.resource),
            batch,
            transport,
            destination,
            Arc::clone(self.ledgers.of(signal)),
            self.runtime.handle(),
        ))
    }

    /// The exporter, and who receives from it.
    pub(crate) fn metrics(
        &self,
        settings: &OtlpSettings,
        temporality: Temporality,
    ) -> Result<(impl PushMetricExporter + use<>, Arc<Destination>), InitError> {
        let destination = destination(settings);
        let transport = Transport::new(Signal::Metrics, settings, &destination)?;
        let exporter = MetricExporter::new(
            transport,
            temporality,
            settings.timeout,
            Arc::clone(&destination),
            Arc::clone(&self.ledgers.metrics),
            self.ending.clone(),
            self.runtime.handle().clone(),
        );
        Ok((exporter, destination))
    }
}

/// The pipelines, for who wants to know how much waits in them.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    pub(crate) spans: Option<Arc<Pipeline>>,
    pub(crate) records: Option<Arc<Pipeline>>,
}

impl Waiting {
    pub(crate) fn bytes(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let spans = self.spans.as_ref().map(|it| it.held_bytes());
        let records = self.records.as_ref().map(|it| it.held_bytes());
        let spans = spans.map(|bytes| (Signal::Traces.as_str(), bytes));
        let records = records.map(|bytes| (Signal::Logs.as_str(), bytes));
        spans.into_iter().chain(records)
    }
}

#[cfg(feature = "health")]
impl Waiting {
    /// Of each signal, the bytes that wait and the most that may.
    pub(crate) fn fill(&self) -> impl Iterator<Item = (&'static str, usize, usize)> {
        let spans = self.spans.as_ref().map(|it| it.most_bytes());
        let records = self.records.as_ref().map(|it| it.most_bytes());
        self.bytes()
            .zip(spans.into_iter().chain(records))
            .map(|((signal, bytes), most)| (signal, bytes, most))
    }
}

fn destination(settings: &OtlpSettings) -> Arc<Destination> {
    Arc::new(Destination::collector(settings.origin()))
}
