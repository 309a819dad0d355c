//! What a service says in code before telemetry starts.

use std::any::Any;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use opentelemetry::KeyValue;
use opentelemetry_sdk::trace::ShouldSample;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::Layer;

use crate::redaction::Redaction;
use crate::resource::Identity;
use crate::sampling::RateLimited;
use crate::settings::LogFormat;
use crate::start::start;
use crate::telemetry::Telemetry;
use crate::{InitError, metrics as facade, sentry};

/// Settings in code. They win over the environment, which wins over the defaults; the one
/// exception is the service's name (see [`builder`](crate::builder)).
#[must_use = "a builder does nothing until `init`"]
pub struct Builder {
    pub(crate) identity: Identity,
    pub(crate) log_format: Option<LogFormat>,
    pub(crate) filter: Option<String>,
    pub(crate) filter_address: Option<SocketAddr>,
    pub(crate) redaction: Redaction,
    pub(crate) burst_limit: Option<u32>,
    pub(crate) sampler: Option<Box<dyn ShouldSample>>,
    /// Whether that is ours, and follows only those parents that are trusted.
    pub(crate) rate_limited: bool,
    pub(crate) layers: Vec<Box<dyn Layer<Registry> + Send + Sync>>,
    pub(crate) metrics: facade::MetricOptions,
    pub(crate) sentry_ignore: sentry::SentryIgnore,
    pub(crate) exit_on_signal: bool,
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
            exit_on_signal: false,
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

    /// Ends telemetry and then the process at SIGTERM or SIGINT (Ctrl-C elsewhere), with the
    /// code that shells use for it: 128 and the signal's number. Default: the signal ends the
    /// process at once, and what is still in memory, up to a second's worth, is lost.
    ///
    /// For jobs that have nothing else to do then. A service that finishes its requests
    /// first waits for [`shutdown_signal`](crate::shutdown_signal) instead, and must not use
    /// both.
    ///
    /// ```
    /// # fn main() -> Result<(), throughline::InitError> {
    /// let telemetry = throughline::builder("digest")
    ///     .log_format(throughline::LogFormat::Off)
    ///     .exit_on_signal()
    ///     .init()?;
    /// # telemetry.shutdown();
    /// # Ok(())
    /// # }
    /// ```
    pub fn exit_on_signal(mut self) -> Self {
        self.exit_on_signal = true;
        self
    }

    /// Starts telemetry; see [`init`](crate::init).
    ///
    /// # Errors
    /// As [`init`](crate::init).
    pub fn init(self) -> Result<Telemetry, InitError> {
        claim()?;
        let started = start(self);
        if started.is_err() {
            RUNNING.store(false, Ordering::SeqCst);
        }
        started
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
