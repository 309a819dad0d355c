//! One filter under every layer, replaceable at run time.
//!
//! Events follow the directives of `RUST_LOG`. Spans do not: they have a level of their own
//! and a quiet list, because a service run with `RUST_LOG=warn` still wants its traces, and
//! a filter that removed the spans would take the ids off every record as well.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_core::callsite::rebuild_interest_cache;
use tracing_log::AsLog;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::error::FilterError;

/// Events at this level and above are kept where nothing else is asked for.
pub(crate) const DEFAULT_DIRECTIVES: &str = "info";

/// Spans down to this level are kept whatever `RUST_LOG` says.
const SPAN_LEVEL: LevelFilter = LevelFilter::INFO;

/// Crates whose spans describe the transport of telemetry, never the service's own work.
const QUIET: [&str; 7] = [
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "reqwest",
    "rustls",
    "tonic",
];

/// The crates of OpenTelemetry, whose features any dependency can turn on for all: from then
/// on they tell of their own work. Below WARN that is nothing that a service has asked for,
/// unless its directives name them.
const OPENTELEMETRY: &str = "opentelemetry";

/// What a text of directives says.
#[derive(Debug)]
struct Directives {
    filter: EnvFilter,
    name_opentelemetry: bool,
}

impl Directives {
    fn hush(&self, metadata: &Metadata<'_>) -> bool {
        !metadata.is_span()
            && *metadata.level() > Level::WARN
            && metadata.target().starts_with(OPENTELEMETRY)
            && !self.name_opentelemetry
    }
}

/// The layer; its [`FilterHandle`] replaces the directives.
pub(crate) struct LiveFilter {
    events: Arc<RwLock<Directives>>,
}

/// Changes the directives of a running [`LiveFilter`].
#[derive(Clone, Debug)]
pub(crate) struct FilterHandle {
    events: Arc<RwLock<Directives>>,
}

pub(crate) fn live_filter(directives: &str) -> Result<(LiveFilter, FilterHandle), FilterError> {
    let events = Arc::new(RwLock::new(parse(directives)?));
    let handle = FilterHandle {
        events: Arc::clone(&events),
    };
    Ok((LiveFilter { events }, handle))
}

/// What has a meaning in a regular expression, but for brackets, which directives are made of.
const SPECIAL: [char; 10] = ['.', '*', '+', '?', '|', '(', ')', '^', '$', '\\'];
/// So many of them are built at once; thirty-six dots in a row took half a minute and more.
const MOST_SPECIAL: usize = 8;

fn parse(directives: &str) -> Result<Directives, FilterError> {
    // The parser of tracing-subscriber 0.3.23 cuts other text inside of a character, and
    // panics; and this text also comes in by HTTP.
    if let Some(other) = directives.chars().find(|c| !c.is_ascii()) {
        return Err(FilterError {
            directives: directives.to_owned(),
            reason: format!("{other:?} is not ASCII"),
        });
    }
    // Values of fields are regular expressions, and are built without a bound on time or memory.
    let special = directives.matches(SPECIAL).count();
    if directives.contains('{') && special > MOST_SPECIAL {
        return Err(FilterError {
            directives: directives.to_owned(),
            reason: format!(
                "{special} characters of regular expressions are more than {MOST_SPECIAL}, and may take minutes"
            ),
        });
    }
    let filter = EnvFilter::builder()
        .parse(directives)
        .map_err(|error| FilterError {
            directives: directives.to_owned(),
            reason: error.to_string(),
        })?;
    Ok(Directives {
        filter,
        name_opentelemetry: directives.contains(OPENTELEMETRY),
    })
}

impl FilterHandle {
    /// The directives in force, as they were understood.
    pub(crate) fn directives(&self) -> String {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events.filter.to_string()
    }

    /// Replaces the directives; those in force stay where the new ones cannot be parsed.
    pub(crate) fn set(&self, directives: &str) -> Result<(), FilterError> {
        let filter = parse(directives)?;
        *self.events.write().unwrap_or_else(PoisonError::into_inner) = filter;
        rebuild_interest_cache();
        // Records of the `log` crate are first held against a maximum of its own.
        tracing_log::log::set_max_level(LevelFilter::current().as_log());
        Ok(())
    }
}

fn quiet(target: &str) -> bool {
    let crate_name = target.split("::").next().unwrap_or(target);
    QUIET.contains(&crate_name)
}

impl LiveFilter {
    fn with<T>(&self, read: impl FnOnce(&EnvFilter) -> T) -> T {
        read(&self.directives().filter)
    }

    fn directives(&self) -> RwLockReadGuard<'_, Directives> {
        self.events.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Layer<S> for LiveFilter
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.is_span() && quiet(metadata.target()) {
            return Interest::never();
        }
        if self.directives().hush(metadata) {
            return Interest::never();
        }
        // The directives see every callsite, so that those with span fields can match.
        let interest = self.with(|events| Layer::<S>::register_callsite(events, metadata));
        if metadata.is_span() && *metadata.level() <= SPAN_LEVEL {
            Interest::always()
        } else {
            interest
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        if metadata.is_span() {
            if quiet(metadata.target()) {
                return false;
            }
            if *metadata.level() <= SPAN_LEVEL {
                return true;
            }
        }
        let directives = self.directives();
        !directives.hush(metadata) && Layer::<S>::enabled(&directives.filter, metadata, ctx)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let events = self.with(|events| Layer::<S>::max_level_hint(events))?;
        Some(events.max(SPAN_LEVEL))
    }

    fn on_new_span(&self, attrs: &span::Attributes<'_>, id: &span::Id, ctx: Context<'_, S>) {
        self.with(|events| Layer::<S>::on_new_span(events, attrs, id, ctx));
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, ctx: Context<'_, S>) {
        self.with(|events| Layer::<S>::on_record(events, id, values, ctx));
    }

    fn event_enabled(&self, event: &Event<'_>, ctx: Context<'_, S>) -> bool {
        self.with(|events| Layer::<S>::event_enabled(events, event, ctx))
    }

    fn on_enter(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.with(|events| Layer::<S>::on_enter(events, id, ctx));
    }

    fn on_exit(&self, id: &span::Id, ctx: Context<'_, S>) {
        self.with(|events| Layer::<S>::on_exit(events, id, ctx));
    }

    fn on_close(&self, id: span::Id, ctx: Context<'_, S>) {
        self.with(|events| Layer::<S>::on_close(events, id, ctx));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing_subscriber::layer::SubscriberExt;

    #[derive(Clone, Default)]
    struct Seen {
        events: Arc<AtomicUsize>,
        spans: Arc<AtomicUsize>,
    }

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, _: &Event<'_>, _: Context<'_, S>) {
            self.events.fetch_add(1, Ordering::Relaxed);
        }
        fn on_new_span(&self, _: &span::Attributes<'_>, _: &span::Id, _: Context<'_, S>) {
            self.spans.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Seen {
        fn take(&self) -> (usize, usize) {
            let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
            (take(&self.events), take(&self.spans))
        }
    }

    #[test]
    fn opentelemetry_s_own_records_are_there_from_warn_on_or_where_they_are_named() {
        let (filter, handle) = live_filter("trace").unwrap();
        let seen = Seen::default();
        let subscriber = tracing_subscriber::registry()
            .with(filter)
            .with(seen.clone());
        tracing::subscriber::with_default(subscriber, || {
            let tell = || {
                tracing::info!(target: "opentelemetry_sdk", "built");
                tracing::warn!(target: "opentelemetry-otlp", "refused");
            };
            tell();
            assert_eq!(seen.take(), (1, 0));
            handle.set("info,opentelemetry=info").unwrap();
            tell();
            assert_eq!(seen.take(), (2, 0));
        });
    }

    #[test]
    fn a_value_that_would_take_minutes_to_build_is_refused_with_the_reason() {
        let dots = |count| format!("my_crate[{{name=a|{}}}]=debug", ".".repeat(count));
        let error = live_filter(&dots(36)).err().unwrap();
        assert!(error.to_string().contains("more than 8"), "{error}");
        for quick in [
            dots(7),
            r"[{name=\w\w\w\w\w\w\w\w}]=debug".to_owned(),
            "[{name=(a|b)*.*.*}]=debug".to_owned(),
        ] {
            let began = std::time::Instant::now();
            live_filter(&quick).unwrap();
            assert!(
                began.elapsed().as_secs() < 5,
                "{quick}: {:?}",
                began.elapsed()
            );
        }
        // The conventions' own example, and one with an address in it.
        live_filter("my_crate[{user.id=ada}]=debug,info").unwrap();
        live_filter("[{client.address=203.0.113.7}]=debug").unwrap();
    }

    #[test]
    fn what_the_parser_would_panic_at_is_refused() {
        let error = live_filter("my_crate[{name=\u{fffd}}]=debug")
            .err()
            .unwrap();
        assert!(error.to_string().contains("is not ASCII"), "{error}");
    }

    #[test]
    fn directives_govern_events_live_and_spans_keep_their_own_level() {
        let (filter, handle) = live_filter("warn").unwrap();
        let seen = Seen::default();
        let subscriber = tracing_subscriber::registry()
            .with(filter)
            .with(seen.clone());
        tracing::subscriber::with_default(subscriber, || {
            let emit = || {
                tracing::info!("info");
                tracing::debug!("debug");
                drop(tracing::info_span!("info"));
                drop(tracing::debug_span!("debug"));
                drop(tracing::info_span!(target: "h2::client", "transport"));
            };
            emit();
            assert_eq!(seen.take(), (0, 1), "warn keeps the info span");
            handle.set("debug").unwrap();
            emit();
            assert_eq!(seen.take(), (2, 2), "debug adds events and debug spans");
            assert!(handle.set("info,[").is_err());
            emit();
            assert_eq!(seen.take(), (2, 2), "a bad filter changes nothing");
            handle.set("off").unwrap();
            emit();
            assert_eq!(seen.take(), (0, 1), "off silences events, not spans");
        });
    }

    #[test]
    fn a_bad_directive_is_named_in_the_error() {
        let said = live_filter("info,my_crate=loud").err().unwrap().to_string();
        assert!(said.contains("my_crate=loud"), "{said}");
    }
}
