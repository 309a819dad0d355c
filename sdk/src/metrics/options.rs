//! The settings of metrics in code.

use ::tokio::runtime::Handle;

use super::registry::Limits;
use crate::Builder;

/// What [`Builder`] was told about metrics.
pub(crate) struct MetricOptions {
    pub(super) buckets: Vec<(String, Vec<f64>)>,
    pub(super) units: Vec<(String, String)>,
    pub(super) limits: Limits,
    pub(super) process: bool,
    pub(super) tokio: bool,
    pub(super) runtime: Option<Handle>,
}

impl Default for MetricOptions {
    fn default() -> Self {
        Self {
            buckets: Vec::new(),
            units: Vec::new(),
            limits: Limits::default(),
            process: true,
            tokio: true,
            runtime: None,
        }
    }
}

impl Builder {
    /// The bounds of the histograms of this name, or of all whose name begins with what is
    /// before a final `*`. A name wins over a prefix, a long prefix over a short one.
    ///
    /// Default: in seconds (unit `s`, or a name that ends in `.duration`) 5 ms to 10 s as in
    /// the [HTTP conventions], otherwise the [specification's default]. What is given here
    /// also stays as it is where
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` makes all other histograms
    /// exponential. [`init`](Self::init) refuses bounds that do not ascend.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let telemetry = throughline::builder("checkout")
    ///     .histogram_buckets("payment.amount", [1.0, 10.0, 100.0, 1_000.0])
    ///     .histogram_buckets("cache.*", [0.000_1, 0.001, 0.01])
    ///     .init()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [HTTP conventions]: https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
    /// [specification's default]: https://opentelemetry.io/docs/specs/otel/metrics/sdk/#explicit-bucket-histogram-aggregation
    pub fn histogram_buckets(
        mut self,
        name: impl Into<String>,
        bounds: impl IntoIterator<Item = f64>,
    ) -> Self {
        let bounds = bounds.into_iter().collect();
        self.metrics.buckets.push((name.into(), bounds));
        self
    }

    /// The unit of the metric of this name, in [UCUM] with the conventions' annotations:
    /// `s`, `By`, `{order}`, `{request}`. It wins over what is described.
    ///
    /// Default: the unit of `describe_*` before the first use. The facade's own units know
    /// no annotations, so this is the way to `{order}`.
    ///
    /// [UCUM]: https://opentelemetry.io/docs/specs/semconv/general/metrics/#instrument-units
    pub fn metric_unit(mut self, name: impl Into<String>, unit: impl Into<String>) -> Self {
        self.metrics.units.push((name.into(), unit.into()));
        self
    }

    /// How many label sets one metric may have, and all together. Defaults: 2000, as the
    /// [specification] has it, and 10,000.
    ///
    /// Further ones count as one series with `otel.metric.overflow=true`, which takes one
    /// of the metric's places; each use of such a label set counts in
    /// `throughline.metrics.overflow`, and standard error names the metric once.
    ///
    /// [specification]: https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits
    pub fn series_limits(mut self, per_metric: usize, total: usize) -> Self {
        // Below two there is room for the overflow alone, and far above it no memory.
        let per_metric = per_metric.clamp(2, 1 << 20);
        self.metrics.limits = Limits { per_metric, total };
        self
    }

    /// Whether `process.*` metrics are read of this process at each collection. Default: yes.
    /// They come from `/proc`, so on systems other than Linux there are none.
    pub fn process_metrics(mut self, read: bool) -> Self {
        self.metrics.process = read;
        self
    }

    /// Whether `tokio.*` metrics are read of the service's runtime at each collection.
    /// Default: yes, where [`init`](Self::init) runs inside a runtime or
    /// [`tokio_runtime`](Self::tokio_runtime) names one.
    pub fn tokio_metrics(mut self, read: bool) -> Self {
        self.metrics.tokio = read;
        self
    }

    /// The runtime of the service, for `tokio.*` metrics. Default: the one that
    /// [`init`](Self::init) runs in. Others are added with
    /// [`Telemetry::observe_tokio`](crate::Telemetry::observe_tokio).
    pub fn tokio_runtime(mut self, runtime: Handle) -> Self {
        self.metrics.runtime = Some(runtime);
        self
    }
}
