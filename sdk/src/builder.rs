//! From settings to running telemetry.

use std::any::Any;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, ShouldSample};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::diagnostics::{self, Level};
use crate::event::{BurstLimit, Console, EventLayer, OtlpLogs, Process, SentryErrors, Sinks};
use crate::export::{
    ConsoleMetrics, ConsoleProcessor, ConsoleSpans, Ending, ExportRuntime, Ledgers, LogStage,
    Outlet, Prepared, SpanPipeline, SpanStage, Waiting,
};
use crate::filter::{self, FilterHandle, LiveFilter, live_filter};
use crate::redaction::{self, Redaction, Redactor};
use crate::resource::{self, Identity};
use crate::sampling::{HeadSampler, RateLimited};
use crate::settings::{Env, FILTER_ADDRESS, LogFormat, Settings, Source, summary};
use crate::span_layer::SpanLayer;
use crate::telemetry::{Pipelines, Telemetry};
use crate::trusted_parent::TrustedParent;
use crate::{
    InitError, filter_endpoint, fork, metrics as facade, network, panic, propagation, sentry,
};

/// Settings in code. They win over the environment, which wins over the defaults; the one
/// exception is the service's name (see [`builder`](crate::builder)).
#[must_use = "a builder does nothing until `init`"]
pub struct Builder {
    identity: Identity,
    log_format: Option<LogFormat>,
    filter: Option<String>,
    filter_address: Option<SocketAddr>,
    redaction: Redaction,
    burst_limit: Option<u32>,
    sampler: Option<Box<dyn ShouldSample>>,
    /// Whether that is ours, and follows only those parents that are trusted.
    rate_limited: bool,
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
    pub(crate) metrics: facade::MetricOptions,
    pub(crate) sentry_ignore: sentry::SentryIgnore,
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
            filter_address: None,
            redaction: Redaction::default(),
            burst_limit: None,
            sampler: None,
            rate_limited: false,
            layers: Vec::new(),
            metrics: facade::MetricOptions::default(),
            sentry_ignore: sentry::SentryIgnore::default(),
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

    /// Where the filter can be read and changed by HTTP while the service runs. Default:
    /// `THROUGHLINE_FILTER_ADDRESS`, else nowhere.
    ///
    /// `GET /filter` gives the directives in force; `PUT /filter` replaces them by its body,
    /// and answers 400 with the reason where they cannot be parsed. It asks nobody who they
    /// are, so any other than a loopback address is an [`InitError::InvalidSetting`], and
    /// requests of browsers' pages are refused. From code, see
    /// [`Telemetry::set_filter`].
    ///
    /// ```no_run
    /// # fn main() -> Result<(), throughline::InitError> {
    /// // curl -X PUT -d 'info,my_crate=debug' http://127.0.0.1:9465/filter
    /// let telemetry = throughline::builder("checkout")
    ///     .filter_address(([127, 0, 0, 1], 9465))
    ///     .init()?;
    /// # telemetry.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    pub fn filter_address(mut self, address: impl Into<SocketAddr>) -> Self {
        self.filter_address = Some(address.into());
        self
    }

    /// What is secret beside what always is. Default: [`Redaction::default`]. The last call
    /// counts.
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// How many records of one callsite pass in a second; those beyond are suppressed, and
    /// told. `0` is no limit. Default: `THROUGHLINE_BURST_LIMIT`, else no limit.
    ///
    /// A callsite is one macro call in the source, or one line that uses the `log` crate. It
    /// may spend a second's worth at once. What is suppressed reaches no sink, neither the
    /// console nor OTLP nor Sentry; a suppressed ERROR still fails its span. Panics always
    /// pass, and so do records of a stream, which have the field `log.category`. The callsite's next record that passes carries the number suppressed as
    /// `log.suppressed_count`; if none comes within five seconds, or when telemetry is
    /// flushed or ends, a record of its own says it. The metric
    /// `throughline.events.suppressed` counts them all.
    ///
    /// ```
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let telemetry = throughline::builder("checkout")
    ///     .log_format(throughline::LogFormat::Off)
    ///     .burst_limit(100)
    ///     .init()?;
    /// # telemetry.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    pub fn burst_limit(mut self, per_second: u32) -> Self {
        self.burst_limit = Some(per_second);
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
    ///
    /// A sampler of the program's own decides alone. Those of the environment, and
    /// [`RateLimited`], follow a remote parent only where `THROUGHLINE_TRUST_INBOUND` trusts
    /// it.
    pub fn sampler(mut self, sampler: impl ShouldSample + 'static) -> Self {
        self.rate_limited = (&sampler as &dyn Any).is::<RateLimited>();
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
        claim()?;
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
        let (filter, handle) = live_filter_of(self.filter, &mut settings)?;
        resource::decide(&self.identity, &mut settings);
        let log_format = log_format(self.log_format, &mut settings);
        if let Some(per_second) = self.burst_limit {
            settings.decide("THROUGHLINE_BURST_LIMIT", per_second, Source::Code);
            settings.burst_limit = per_second;
        }
        if self.sampler.is_some() {
            settings.decide("OTEL_TRACES_SAMPLER", "the program's own", Source::Code);
        }
        let listener = settings.prometheus.map(facade::bind).transpose()?;
        let control = filter_address(self.filter_address, &mut settings)?;
        let control = control.map(filter_endpoint::bind).transpose()?;
        let redactor = Arc::new(self.redaction.redactor()?);
        let resource = redactor.resource(&resource::resource(self.identity, &settings));

        let ledgers = Ledgers::default();
        let runtime = ExportRuntime::start().map_err(InitError::Runtime)?;
        let ending = Ending::default();
        let outlet = Outlet {
            runtime: &runtime,
            ledgers: &ledgers,
            ending: &ending,
            resource: &resource,
        };
        let spans = settings.traces.as_ref().map(|otlp| {
            let length = settings.limits.span_value_length;
            outlet.spans(otlp, &settings.spans, &redactor, length)
        });
        let spans = spans.transpose()?;
        let records = settings.logs.as_ref();
        let records = records.map(|otlp| outlet.logs(otlp, &settings.records));
        let records = records.transpose()?;
        let exporter = settings.metrics.as_ref();
        let exporter = exporter.map(|otlp| outlet.metrics(otlp, settings.temporality));
        let exporter = exporter.transpose()?;
        let metering = facade::Metrics::start(
            self.metrics,
            settings.reader,
            &resource,
            exporter,
            settings.console.metrics.then_some(ConsoleMetrics {
                temporality: settings.temporality,
            }),
            listener.is_some(),
            &redactor,
        )?;
        let (sampler, head): (Box<dyn ShouldSample>, _) = match self.sampler {
            Some(sampler) if self.rate_limited => {
                let sampler = TrustedParent::new(sampler, settings.sampler.trust);
                (Box::new(sampler), None)
            }
            // It may want to see a whole span before it decides.
            Some(sampler) => (sampler, None),
            None => {
                let head = HeadSampler::new(&settings.sampler);
                (Box::new(head.for_sdk()), Some(head))
            }
        };
        let tracers = tracer_provider(&settings, &resource, spans.as_ref(), sampler, &redactor);
        let errors = settings
            .sentry
            .take()
            .map(|settings| {
                let ledger = Arc::clone(&ledgers.errors);
                sentry::client(settings, &resource, &runtime, ledger, &redactor)
            })
            .transpose()?;

        let waiting = Waiting {
            spans: spans.clone(),
            records: records.clone(),
        };
        metering.observe_export(&ledgers, waiting);
        let sinks = Arc::new(Sinks {
            redactor: Arc::clone(&redactor),
            console: console(log_format, &resource),
            otlp: records
                .as_ref()
                .map(|records| OtlpLogs::new(LogStage::new(records), settings.limits)),
            sentry: errors
                .clone()
                .map(|client| SentryErrors::new(client, self.sentry_ignore)),
            events: (!settings.disabled)
                .then(|| facade::EventCounter::new(Arc::clone(&metering.registry))),
            capture: None,
        });
        let bursts = NonZeroU32::new(settings.burst_limit).map(|per_second| {
            let counters = facade::SuppressedEvents::new(Arc::clone(&metering.registry));
            Arc::new(BurstLimit::new(per_second, counters, Arc::clone(&sinks)))
        });
        let limit = bursts.clone();
        redaction::put_in_force(&redactor);
        install_subscriber(self.layers, filter, tracers.as_ref(), head, &sinks, limit)?;
        if let Some(bursts) = &bursts {
            bursts.tell_in_time(runtime.handle());
        }
        metrics::set_global_recorder(Arc::clone(&metering.registry)).map_err(|_| {
            InitError::GlobalTaken {
                what: "metrics recorder",
            }
        })?;
        if let Some(control) = control {
            filter_endpoint::serve(control, handle.clone(), runtime.handle())?;
        }
        if let (Some(listener), Some(scraper)) = (listener, metering.scraper) {
            facade::serve(listener, scraper, runtime.handle())?;
        }
        if let Some(provider) = &metering.provider {
            global::set_meter_provider(provider.clone());
        }
        if let Some(provider) = &tracers {
            global::set_tracer_provider(provider.clone());
        }
        propagation::install(&settings.propagators, &redactor);
        panic::install_hook(&sinks);
        fork::watch();
        say(&settings);

        Ok(Telemetry {
            pipelines: Some(Pipelines {
                tracers,
                spans,
                metrics: metering.provider,
                records,
                sentry: errors,
                bursts,
                ledgers,
                ending,
                runtime: Some(runtime),
            }),
            filter: handle,
            shutdown_timeout: settings.shutdown_timeout,
            settings: settings.decided,
        })
    }
}

/// Whether telemetry runs in this process.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Takes the one place that a process has.
pub(crate) fn claim() -> Result<(), InitError> {
    if RUNNING.swap(true, Ordering::SeqCst) {
        return Err(InitError::AlreadyInitialized);
    }
    Ok(())
}

/// What was decided, and what is not as it was asked for.
fn say(settings: &Settings) {
    diagnostics::set_level(settings.log_level);
    diagnostics::say_at(Level::Info, &summary(&settings.decided));
    for setting in &settings.decided {
        diagnostics::say_at(Level::Debug, &format!("setting: {setting}"));
    }
    for warning in &settings.warnings {
        diagnostics::say(warning);
    }
}

fn live_filter_of(
    code: Option<String>,
    settings: &mut Settings,
) -> Result<(LiveFilter, FilterHandle), InitError> {
    const EXPECTED: &str = "directives with commas between, such as info,my_crate=debug";
    const VARIABLE: &str = "RUST_LOG";
    if let Some(directives) = code {
        settings.decide(VARIABLE, &directives, Source::Code);
        return live_filter(&directives).map_err(|error| InitError::InvalidSetting {
            setting: "filter",
            reason: format!("{directives:?}: {}", error.reason),
            expected: EXPECTED,
        });
    }
    let (directives, source) = match settings.filter.take() {
        Some(directives) => (directives, Source::Variable(VARIABLE.to_owned())),
        None => (filter::DEFAULT_DIRECTIVES.to_owned(), Source::Default),
    };
    settings.decide(VARIABLE, &directives, source);
    live_filter(&directives).map_err(|error| InitError::InvalidVariable {
        variable: VARIABLE.to_owned(),
        reason: format!("{directives:?}: {}", error.reason),
        expected: EXPECTED,
    })
}

fn filter_address(
    code: Option<SocketAddr>,
    settings: &mut Settings,
) -> Result<Option<SocketAddr>, InitError> {
    let Some(address) = code else {
        return Ok(settings.filter_address);
    };
    if !network::is_loopback(address.ip()) {
        return Err(InitError::InvalidSetting {
            setting: "filter_address",
            reason: format!("{address} is not on this machine alone"),
            expected: filter_endpoint::EXPECTED,
        });
    }
    settings.decide(FILTER_ADDRESS, address, Source::Code);
    Ok(Some(address))
}

/// The code's format, else the variable's. Who asks for records on the console by
/// `OTEL_LOGS_EXPORTER` gets them, whatever another variable says.
fn log_format(code: Option<LogFormat>, settings: &mut Settings) -> Option<LogFormat> {
    const VARIABLE: &str = "THROUGHLINE_LOG_FORMAT";
    if let Some(format) = code {
        settings.decide(VARIABLE, format, Source::Code);
        return code;
    }
    if settings.console.logs && settings.log_format == Some(LogFormat::Off) {
        settings.warnings.push(format!(
            "{VARIABLE}=off and OTEL_LOGS_EXPORTER=console contradict each other; json is used"
        ));
        let source = Source::Variable("OTEL_LOGS_EXPORTER".to_owned());
        settings.decide(VARIABLE, LogFormat::Json, source);
        return Some(LogFormat::Json);
    }
    settings.log_format
}

/// Without an exporter the provider still makes ids, which records and Sentry events carry.
/// With the whole SDK disabled there is none.
fn tracer_provider(
    settings: &Settings,
    resource: &Resource,
    spans: Option<&Arc<SpanPipeline>>,
    sampler: Box<dyn ShouldSample>,
    redactor: &Arc<Redactor>,
) -> Option<SdkTracerProvider> {
    if settings.disabled {
        return None;
    }
    let mut builder = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_sampler(sampler)
        .with_span_limits(settings.limits.spans);
    if let Some(spans) = spans {
        builder = builder.with_span_processor(SpanStage::new(spans));
    }
    if settings.console.traces {
        let length = settings.limits.span_value_length;
        let exporter = Prepared::new(ConsoleSpans, Arc::clone(redactor), length);
        let stamps = spans.is_none();
        builder = builder.with_span_processor(ConsoleProcessor::new(exporter, stamps));
    }
    Some(builder.build())
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

pub(crate) fn install_subscriber(
    layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
    filter: LiveFilter,
    tracers: Option<&SdkTracerProvider>,
    head: Option<HeadSampler>,
    sinks: &Arc<Sinks>,
    bursts: Option<Arc<BurstLimit>>,
) -> Result<(), InitError> {
    // An empty list of layers would switch every callsite off.
    let layers = (!layers.is_empty()).then_some(layers);
    let spans = tracers.map(|provider| SpanLayer::new(provider.tracer("throughline"), head));
    tracing_subscriber::registry()
        .with(layers)
        .with(filter)
        .with(spans)
        .with(sinks.sentry.as_ref().map(|_| sentry::SpanFields))
        .with(EventLayer::new(Arc::clone(sinks), bursts))
        .try_init()
        .map_err(|_| InitError::GlobalTaken {
            what: "tracing subscriber or logger",
        })
}
