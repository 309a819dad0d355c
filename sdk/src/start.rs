//! From settings to running telemetry: the order in which things start.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;

use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, ShouldSample};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::builder::Builder;
use crate::diagnostics::{self, Level};
use crate::event::{BurstLimit, Console, EventLayer, OtlpLogs, Process, SentryErrors, Sinks};
use crate::export::{
    ConsoleMetrics, ConsoleProcessor, ConsoleSpans, Ending, ExportRuntime, Ledgers, Outlet,
    Pipeline, Prepared, Readiness, Signal, SpanStage, Stage, Waiting,
};
use crate::filter::{self, FilterHandle, LiveFilter, live_filter};
use crate::redaction::{self, Redactor};
use crate::resource;
use crate::sampling::{self, HeadSampler};
use crate::settings::FILTER_ADDRESS;
use crate::settings::{self, Env, LogFormat, Settings, Source, summary};
use crate::span_layer::SpanLayer;
use crate::telemetry::{Pipelines, Telemetry};
use crate::trusted_parent::TrustedParent;
use crate::{
    InitError, filter_endpoint, fork, health, metrics as facade, network, panic, propagation,
    sentry,
};

pub(crate) fn start(builder: Builder) -> Result<Telemetry, InitError> {
    // All that can be wrong is found before anything global changes.
    let lookup = |variable: &str| std::env::var(variable).ok();
    let mut settings = Settings::read(&Env::new(&lookup))?;
    let (filter, handle) = live_filter_of(builder.filter, &mut settings)?;
    resource::decide(&builder.identity, &mut settings);
    let log_format = log_format(builder.log_format, &mut settings);
    if let Some(per_second) = builder.burst_limit {
        settings.decide("THROUGHLINE_BURST_LIMIT", per_second, Source::Code);
        settings.burst_limit = per_second;
    }
    if builder.sampler.is_some() {
        settings.decide("OTEL_TRACES_SAMPLER", "the program's own", Source::Code);
    }
    let listener = settings.prometheus.map(facade::bind).transpose()?;
    let control = filter_address(builder.filter_address, &mut settings)?;
    let control = control.map(filter_endpoint::bind).transpose()?;
    let redactor = Arc::new(builder.redaction.redactor()?);
    let resource = redactor.resource(&resource::resource(builder.identity, &settings));

    let ledgers = Ledgers::default();
    let runtime = ExportRuntime::start().map_err(InitError::Runtime)?;
    let ending = Ending::default();
    let outlet = Outlet {
        runtime: &runtime,
        ledgers: &ledgers,
        ending: &ending,
        resource: &resource,
    };
    let spans = settings.traces.as_ref();
    let spans = spans.map(|otlp| outlet.pipeline(Signal::Traces, otlp, &settings.spans));
    let spans = spans.transpose()?;
    let records = settings.logs.as_ref();
    let records = records.map(|otlp| outlet.pipeline(Signal::Logs, otlp, &settings.records));
    let records = records.transpose()?;
    let exporter = settings.metrics.as_ref();
    let exporter = exporter.map(|otlp| outlet.metrics(otlp, settings.temporality));
    let (exporter, metrics_to) = exporter.transpose()?.unzip();
    let metering = facade::Metrics::start(
        builder.metrics,
        settings.reader,
        &resource,
        exporter,
        settings.console.metrics.then_some(ConsoleMetrics {
            temporality: settings.temporality,
        }),
        listener.is_some(),
        &redactor,
    )?;
    let (sampler, head) = sampler(builder.sampler, builder.rate_limited, &settings);
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
    metering.observe_export(&ledgers, waiting.clone());
    let sinks = Arc::new(Sinks {
        redactor: Arc::clone(&redactor),
        console: console(log_format, &resource),
        otlp: records
            .as_ref()
            .map(|records| OtlpLogs::new(Stage::new(records), settings.limits)),
        sentry: errors
            .clone()
            .map(|client| SentryErrors::new(client, builder.sentry_ignore)),
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
    if tracers.is_some() {
        sampling::put_in_force(head.clone());
    }
    install_subscriber(
        builder.layers,
        filter,
        tracers.as_ref(),
        head,
        &sinks,
        limit,
    )?;
    settings::put_in_force(settings.work.clone());
    settings::inbound::put_in_force(settings.inbound.clone());
    if let Some(propagate_to) = settings.propagate_to.take() {
        propagate_to.put_in_force();
    }
    #[cfg(feature = "security")]
    crate::http::describe_attack_signals(&metering.registry);
    let token = settings.health_token.take();
    health::put_in_force(&resource, token, &waiting, metrics_to, &metering.registry);
    if let Some(bursts) = &bursts {
        bursts.tell_in_time(runtime.handle());
    }
    metrics::set_global_recorder(Arc::clone(&metering.registry)).map_err(|_| {
        InitError::GlobalTaken {
            what: "metrics recorder",
        }
    })?;
    facade::put_in_force(&metering.registry);
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

    let telemetry = Telemetry {
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
    };
    if builder.exit_on_signal {
        telemetry.exit_on_signal();
    }
    Ok(telemetry)
}

/// The sampler for the SDK, and the one that decides before it where that is ours.
fn sampler(
    code: Option<Box<dyn ShouldSample>>,
    rate_limited: bool,
    settings: &Settings,
) -> (Box<dyn ShouldSample>, Option<HeadSampler>) {
    match code {
        Some(sampler) if rate_limited => {
            let sampler = TrustedParent::new(sampler, settings.sampler.trust);
            (Box::new(sampler), None)
        }
        // It may want to see a whole span before it decides.
        Some(sampler) => (sampler, None),
        None => {
            let head = HeadSampler::new(&settings.sampler);
            (Box::new(head.for_sdk()), Some(head))
        }
    }
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
    spans: Option<&Arc<Pipeline>>,
    sampler: Box<dyn ShouldSample>,
    redactor: &Arc<Redactor>,
) -> Option<SdkTracerProvider> {
    if settings.disabled {
        return None;
    }
    let readiness = Readiness {
        redactor: Arc::clone(redactor),
        value_length: settings.limits.span_value_length,
    };
    let mut builder = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_sampler(sampler)
        .with_span_limits(settings.limits.spans);
    if let Some(spans) = spans {
        builder = builder.with_span_processor(SpanStage::new(spans, readiness.clone()));
    }
    if settings.console.traces {
        let exporter = Prepared::new(ConsoleSpans, readiness);
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
