//! From settings to running telemetry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::propagation::TextMapCompositePropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SdkTracerProvider, ShouldSample};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::event::{Console, EventLayer, OtlpLogs, Process, SentryErrors, Sinks};
use crate::export::{
    CountedSpans, Destination, ExportRuntime, Ledgers, log_exporter, metric_exporter, span_exporter,
};
use crate::filter::{self, FilterHandle, LiveFilter, live_filter};
use crate::redaction::{RedactedBaggage, RedactedSpans, Redaction, Redactor};
use crate::resource::{self, Identity};
use crate::settings::{Env, LogFormat, OtlpSettings, Settings};
use crate::span_layer::SpanLayer;
use crate::telemetry::{Pipelines, Telemetry};
use crate::{InitError, diagnostics, metrics as facade, panic, sentry};

/// Settings in code. They win over the environment, which wins over the defaults; the one
/// exception is the service's name (see [`builder`](crate::builder)).
#[must_use = "a builder does nothing until `init`"]
pub struct Builder {
    identity: Identity,
    log_format: Option<LogFormat>,
    filter: Option<String>,
    redaction: Redaction,
    sampler: Option<Box<dyn ShouldSample>>,
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
}

impl Builder {
    pub(crate) fn new(service_name: String) -> Self {
        Self {
            identity: Identity {
                service_name,
                ..Identity::default()
            },
            log_format: None,
            filter: None,
            redaction: Redaction::default(),
            sampler: None,
            layers: Vec::new(),
        }
    }

    /// `service.version`, for example `env!("CARGO_PKG_VERSION")`. Default: what
    /// `OTEL_RESOURCE_ATTRIBUTES` says, else none. Also names Sentry's release where
    /// `SENTRY_RELEASE` does not.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.identity.version = Some(version.into());
        self
    }

    /// `deployment.environment.name`, for example `production`. Default: what
    /// `OTEL_RESOURCE_ATTRIBUTES` says, else none. Also Sentry's environment where
    /// `SENTRY_ENVIRONMENT` does not name one.
    pub fn environment(mut self, name: impl Into<String>) -> Self {
        self.identity.environment = Some(name.into());
        self
    }

    /// How records appear on standard output. Default: `THROUGHLINE_LOG_FORMAT`, else
    /// [`LogFormat::Pretty`] on a terminal and [`LogFormat::Json`] elsewhere.
    pub fn log_format(mut self, format: LogFormat) -> Self {
        self.log_format = Some(format);
        self
    }

    /// Which events are kept, in the syntax of `RUST_LOG`. Default: `RUST_LOG`, else `info`.
    pub fn filter(mut self, directives: impl Into<String>) -> Self {
        self.filter = Some(directives.into());
        self
    }

    /// What is secret beside what always is. Default: [`Redaction::default`]. The last call
    /// counts.
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// Attributes of the resource beside those that are found. They win over
    /// `OTEL_RESOURCE_ATTRIBUTES`.
    pub fn resource(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.identity.attributes.extend(attributes);
        self
    }

    /// Which traces are recorded. Default: `OTEL_TRACES_SAMPLER`, else all of them, unless
    /// the parent was not sampled.
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.sampler = Some(Box::new(sampler));
        self
    }

    /// A `tracing` layer of the service's own, beside ours.
    pub fn layer(mut self, layer: impl Layer<Registry> + Send + Sync) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// Starts telemetry; see [`init`](crate::init).
    ///
    /// # Errors
    /// As [`init`](crate::init).
    pub fn init(self) -> Result<Telemetry, InitError> {
        static RUNNING: AtomicBool = AtomicBool::new(false);
        if RUNNING.swap(true, Ordering::SeqCst) {
            return Err(InitError::AlreadyInitialized);
        }
        let started = self.start();
        if started.is_err() {
            RUNNING.store(false, Ordering::SeqCst);
        }
        started
    }

    fn start(self) -> Result<Telemetry, InitError> {
        // All that can be wrong is found before anything global changes.
        let lookup = |variable: &str| std::env::var(variable).ok();
        let mut settings = Settings::read(&Env::new(&lookup))?;
        let (filter, handle) = live_filter_of(self.filter, settings.filter.take())?;
        let listener = settings.prometheus.map(facade::bind).transpose()?;
        let redactor = Arc::new(self.redaction.redactor()?);
        let resource = redactor.resource(&resource::resource(self.identity, &settings));

        let ledgers = Ledgers::default();
        let runtime = ExportRuntime::start().map_err(InitError::Runtime)?;
        let meters = meter_provider(&settings, &resource, &runtime, &ledgers)?;
        let loggers = logger_provider(&settings, &resource, &runtime, &ledgers)?;
        let tracers = tracer_provider(
            &settings,
            &resource,
            &runtime,
            &ledgers,
            self.sampler,
            &redactor,
        )?;
        let errors = settings
            .sentry
            .take()
            .map(|settings| {
                let ledger = Arc::clone(&ledgers.errors);
                sentry::client(settings, &resource, &runtime, ledger, &redactor)
            })
            .transpose()?;

        let sinks = Arc::new(Sinks {
            redactor: Arc::clone(&redactor),
            console: console(self.log_format.or(settings.log_format), &resource),
            otlp: loggers
                .as_ref()
                .map(|provider| OtlpLogs::new(provider, Arc::clone(&ledgers.logs))),
            sentry: errors.clone().map(SentryErrors::new),
        });
        install_subscriber(self.layers, filter, tracers.as_ref(), &sinks)?;
        let (recorder, prometheus) = facade::recorder(meters.as_ref(), listener.is_some());
        metrics::set_global_recorder(recorder).map_err(|_| InitError::GlobalTaken {
            what: "metrics recorder",
        })?;
        if let (Some(listener), Some(prometheus)) = (listener, prometheus) {
            facade::serve(listener, prometheus, runtime.handle())?;
        }
        if let Some(provider) = &meters {
            global::set_meter_provider(provider.clone());
        }
        if let Some(provider) = &tracers {
            global::set_tracer_provider(provider.clone());
        }
        global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
            Box::new(TraceContextPropagator::new()),
            Box::new(RedactedBaggage::new(redactor)),
        ]));
        panic::install_hook(&sinks);
        for warning in &settings.warnings {
            diagnostics::say(warning);
        }

        Ok(Telemetry {
            pipelines: Some(Pipelines {
                traces: tracers,
                metrics: meters,
                logs: loggers,
                sentry: errors,
                ledgers,
                runtime: Some(runtime),
            }),
            filter: handle,
            shutdown_timeout: settings.shutdown_timeout,
        })
    }
}

fn live_filter_of(
    code: Option<String>,
    variable: Option<String>,
) -> Result<(LiveFilter, FilterHandle), InitError> {
    const EXPECTED: &str = "directives with commas between, such as info,my_crate=debug";
    if let Some(directives) = code {
        return live_filter(&directives).map_err(|error| InitError::InvalidSetting {
            setting: "filter",
            reason: format!("{directives:?}: {}", error.reason),
            expected: EXPECTED,
        });
    }
    let directives = variable.unwrap_or_else(|| filter::DEFAULT_DIRECTIVES.to_owned());
    live_filter(&directives).map_err(|error| InitError::InvalidVariable {
        variable: "RUST_LOG".to_owned(),
        reason: format!("{directives:?}: {}", error.reason),
        expected: EXPECTED,
    })
}

fn destination(settings: &OtlpSettings) -> Arc<Destination> {
    Arc::new(Destination::collector(settings.origin()))
}

fn meter_provider(
    settings: &Settings,
    resource: &Resource,
    runtime: &ExportRuntime,
    ledgers: &Ledgers,
) -> Result<Option<SdkMeterProvider>, InitError> {
    let Some(otlp) = &settings.metrics else {
        return Ok(None);
    };
    let ledger = Arc::clone(&ledgers.metrics);
    let exporter = metric_exporter(otlp, runtime, destination(otlp), ledger)?;
    let provider = SdkMeterProvider::builder()
        .with_resource(resource.clone())
        .with_periodic_exporter(exporter)
        .with_view(facade::duration_view)
        .build();
    Ok(Some(provider))
}

fn logger_provider(
    settings: &Settings,
    resource: &Resource,
    runtime: &ExportRuntime,
    ledgers: &Ledgers,
) -> Result<Option<SdkLoggerProvider>, InitError> {
    let Some(otlp) = &settings.logs else {
        return Ok(None);
    };
    let ledger = Arc::clone(&ledgers.logs);
    let exporter = log_exporter(otlp, runtime, destination(otlp), ledger)?;
    let provider = SdkLoggerProvider::builder()
        .with_resource(resource.clone())
        .with_batch_exporter(exporter)
        .build();
    Ok(Some(provider))
}

/// Without an exporter the provider still makes ids, which records and Sentry events carry.
/// With the whole SDK disabled there is none.
fn tracer_provider(
    settings: &Settings,
    resource: &Resource,
    runtime: &ExportRuntime,
    ledgers: &Ledgers,
    sampler: Option<Box<dyn ShouldSample>>,
    redactor: &Arc<Redactor>,
) -> Result<Option<SdkTracerProvider>, InitError> {
    if settings.disabled {
        return Ok(None);
    }
    let mut builder = SdkTracerProvider::builder().with_resource(resource.clone());
    if let Some(sampler) = sampler {
        builder = builder.with_sampler(sampler);
    }
    if let Some(otlp) = &settings.traces {
        let ledger = Arc::clone(&ledgers.traces);
        let exporter = span_exporter(otlp, runtime, destination(otlp), Arc::clone(&ledger))?;
        let exporter = RedactedSpans::new(exporter, Arc::clone(redactor));
        let processor = BatchSpanProcessor::builder(exporter).build();
        builder = builder.with_span_processor(CountedSpans::new(processor, ledger));
    }
    Ok(Some(builder.build()))
}

fn console(format: Option<LogFormat>, resource: &Resource) -> Option<Console> {
    let process = Process {
        service: resource::text(resource, "service.name").unwrap_or_default(),
        version: resource::text(resource, "service.version"),
        environment: resource::text(resource, "deployment.environment.name"),
        pid: std::process::id(),
    };
    Console::new(format, process)
}

fn install_subscriber(
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
    filter: LiveFilter,
    tracers: Option<&SdkTracerProvider>,
    sinks: &Arc<Sinks>,
) -> Result<(), InitError> {
    // An empty list of layers would switch every callsite off.
    let layers = (!layers.is_empty()).then_some(layers);
    let spans = tracers.map(|provider| SpanLayer::new(provider.tracer("throughline")));
    tracing_subscriber::registry()
        .with(layers)
        .with(filter)
        .with(spans)
        .with(EventLayer::new(Arc::clone(sinks)))
        .try_init()
        .map_err(|_| InitError::GlobalTaken {
            what: "tracing subscriber or logger",
        })
}
