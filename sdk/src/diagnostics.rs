//! The SDK's own voice: standard error, never the telemetry that it is about. A broken
//! exporter that logged through the service's log would feed itself.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

static SAID: Mutex<Option<HashSet<String>>> = Mutex::new(None);
static LEVEL: AtomicU8 = AtomicU8::new(Level::Info as u8);

/// How much is said (`OTEL_LOG_LEVEL`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    None,
    /// Data is lost.
    Error,
    /// Something is not as it was asked for.
    Warn,
    /// What was decided at start, and what works again.
    Info,
    /// Every setting at start, those left at their default too.
    Debug,
}

impl Level {
    /// The words that `OTEL_LOG_LEVEL` takes, in any case. Nothing is finer than debug.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "none" => Some(Self::None),
            "error" => Some(Self::Error),
            "warn" => Some(Self::Warn),
            "info" => Some(Self::Info),
            "debug" | "trace" => Some(Self::Debug),
            _ => None,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        })
    }
}

/// From now on only what is at least this important is said.
pub(crate) fn set_level(level: Level) {
    LEVEL.store(level as u8, Ordering::Relaxed);
}

pub(crate) fn enabled(level: Level) -> bool {
    level as u8 <= LEVEL.load(Ordering::Relaxed)
}

/// Says it, as a warning.
pub(crate) fn say(message: &str) {
    say_at(Level::Warn, message);
}

pub(crate) fn say_at(level: Level, message: &str) {
    if !enabled(level) {
        return;
    }
    // An error's text may repeat what it could not use, such as a URL with a password.
    let message = crate::redaction::plain().text(message);
    // One physical line; a closed standard error is no reason to disturb the service.
    let line = crate::event::escape::one_line(&message);
    let _ = writeln!(std::io::stderr().lock(), "throughline: {line}");
}

/// Says it, as an error, unless the same `topic` has been spoken of since [`settle`], or
/// within the last minute: what comes and goes is not told each time.
pub(crate) fn say_once(topic: &str, message: impl FnOnce() -> String) {
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let said = said.get_or_insert_default();
    if !said.contains(topic)
        && let Some(more) = LIMITS.admit(topic, Instant::now())
    {
        said.insert(topic.to_owned());
        say_at(Level::Error, &counted(message(), more));
    }
}

/// Says it, unless something of the same `topic` was said within the last minute; then it is
/// counted, and the next one tells how many there were.
pub(crate) fn say_within_limits(topic: &str, level: Level, message: impl FnOnce() -> String) {
    if let Some(more) = LIMITS.admit(topic, Instant::now()) {
        say_at(level, &counted(message(), more));
    }
}

fn counted(message: String, more: u64) -> String {
    match more {
        0 => message,
        more => format!("{message} ({more} more like it before)"),
    }
}

/// When each topic was spoken of, and how often it was not.
struct Limits(Mutex<BTreeMap<String, (Instant, u64)>>);

static LIMITS: Limits = Limits(Mutex::new(BTreeMap::new()));

const QUIET_FOR: Duration = Duration::from_secs(60);

impl Limits {
    /// How many were left out before this one; `None` where it is left out itself.
    fn admit(&self, topic: &str, now: Instant) -> Option<u64> {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match topics.get_mut(topic) {
            Some((said, more)) if now.saturating_duration_since(*said) < QUIET_FOR => {
                *more += 1;
                None
            }
            Some((said, more)) => {
                *said = now;
                Some(std::mem::take(more))
            }
            None => {
                topics.insert(topic.to_owned(), (now, 0));
                Some(0)
            }
        }
    }
}

/// Ends a topic. True where it had been spoken of.
pub(crate) fn settle(topic: &str) -> bool {
    SAID.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .as_mut()
        .is_some_and(|said| said.remove(topic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_spoken_of_once_until_it_is_settled_and_once_a_minute() {
        let mut times = 0;
        let mut say = || {
            say_once("test-topic", || {
                times += 1;
                "once".to_owned()
            });
        };
        say();
        say();
        assert!(settle("test-topic"));
        assert!(!settle("test-topic"));
        // It comes and goes.
        say();
        assert_eq!(times, 1);
        assert!(!settle("test-topic"), "what was not said is not taken back");
    }

    #[test]
    fn a_kind_is_spoken_of_once_a_minute_with_the_number_left_out() {
        let limits = Limits(Mutex::default());
        let start = Instant::now();
        let at = |seconds| limits.admit("kind", start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(59)), (None, None));
        assert_eq!(limits.admit("other", start), Some(0));
        assert_eq!(at(60), Some(2));
        assert_eq!((at(61), at(121)), (None, Some(1)));
    }

    #[test]
    fn a_level_lets_the_more_important_through() {
        assert_eq!(Level::parse("WARN"), Some(Level::Warn));
        assert_eq!(Level::parse("loud"), None);
        for level in [
            Level::None,
            Level::Error,
            Level::Warn,
            Level::Info,
            Level::Debug,
        ] {
            assert_eq!(Level::parse(&level.to_string()), Some(level));
        }
        assert!(Level::Error < Level::Warn && Level::Warn < Level::Info);
        assert!(
            enabled(Level::Info) && !enabled(Level::Debug),
            "the default"
        );
    }
}
